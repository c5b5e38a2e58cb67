// Flash as a microcontroller has it, on this machine: pages that are erased as a whole, units that are programmed once, and power cuts wherever they are wished for.
#ifndef HYPHA_HOST_FLASH_H
#define HYPHA_HOST_FLASH_H

#include "../board.h"

/** Uses a file, made where it isn't there; NULL: memory. What breaks the rules of flash ends the process, because it would destroy data on a board. */
const uint8_t *host_flash_open(const char *path, uint32_t bytes, uint32_t page, uint32_t unit);

/** Units programmed and pages erased so far. */
extern uint64_t host_flash_writes;
/** The write with this number is left half done, and `host_flash_dies` called, which doesn't return. 0: none. */
extern uint64_t host_flash_cut_at;
extern void (*host_flash_dies)(void);

#endif
