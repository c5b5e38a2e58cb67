// Patches of the profile for microcontrollers (docs/delta.md, section 10): the old module is read where it lies, the new one comes out strictly forward, and all that is
// held in between is at most 8 KB that the caller gives. The counterpart of src/delta/mcu.
#ifndef HYPHA_PATCH_H
#define HYPHA_PATCH_H

#include "../base/bytes.h"
#include "../base/codes.h"

/** The patch's first byte: kind 2, profile 16; then the bits of the coder's table and the number of runs [D 10.1]. */
enum { patch_head_bytes = 4, patch_first_byte = 130, patch_most_state = 8192 };

typedef struct patch patch;

/** Takes each byte of the new module; false ends the decoding. */
typedef bool (*patch_emit)(void *context, uint8_t byte);

/** Bytes of state that a patch asks for; 0 where the head isn't one of this profile. */
uint32_t patch_state_bytes(const uint8_t head[patch_head_bytes]);

/** Begins in `state`, 8-aligned, of as many bytes as patch_state_bytes says. */
patch *patch_begin(void *state, const uint8_t head[patch_head_bytes], span old, patch_emit emit, void *context);
/** Bytes behind the head, any number of them. delta-malformed. */
code patch_add(patch *p, span bytes);
/** No more bytes come. */
code patch_end(patch *p);

#endif
