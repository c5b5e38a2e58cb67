// A reserved piece of RAM as flash, with its rules, where an emulator models none that can be written. It is all ones after each reset: nothing outlives one.
#ifndef HYPHA_SLOTS_IN_RAM_H
#define HYPHA_SLOTS_IN_RAM_H

#include "../base/bytes.h"
#include "../board.h"

#define RAM_FLASH(memory, page_bytes)                                                                     \
  bool board_erase(uint32_t offset) {                                                                     \
    memset((uint8_t *)(memory) + offset, 0xff, page_bytes);                                               \
    return true;                                                                                          \
  }                                                                                                       \
  bool board_program(uint32_t offset, const void *bytes, uint32_t count) {                                \
    /* A unit that isn't erased keeps its zeros, as in flash: a mistake shows. */                         \
    for (uint32_t i = 0; i < count; i++) ((uint8_t *)(memory))[offset + i] &= ((const uint8_t *)bytes)[i]; \
    return true;                                                                                          \
  }

#endif
