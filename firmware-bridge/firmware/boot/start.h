// What a board gives its boot part, in boards/boot_NAME.c.
#ifndef HYPHA_START_H
#define HYPHA_START_H

#include "../board.h"
#include "boot.h"

extern const boot_place boot_records;
/** Where the firmwares begin, as the Makefile links them. */
extern const uint32_t boot_slots[2];
/** Whatever the board needs before a slot is picked. */
void boot_prepare(void);

#endif
