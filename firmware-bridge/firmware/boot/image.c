#include "image.h"

#ifdef HYPHA_HOST
// The program doesn't know its own length: what is stored of it does.
#define image_address 0
#define image_bytes 0
#else
extern const uint8_t slot_begin[], slot_bytes[];
#define image_address ((uint32_t)(uintptr_t)slot_begin)
#define image_bytes ((uint32_t)(uintptr_t)slot_bytes)
#endif

__attribute__((section(".head"), used)) const image_head image = {
    .magic = image_magic, .address = image_address, .bytes = image_bytes, .board = HYPHA_BOARD, .version = HYPHA_VERSION};
