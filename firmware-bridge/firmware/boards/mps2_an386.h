// Where things are in the code memory of this board, for the firmware and its boot part.
#ifndef HYPHA_MPS2_AN386_H
#define HYPHA_MPS2_AN386_H

#include "../board.h"

enum { flash_page = 4096, data_pages = 64, firmware_pages = 32, boot_pages = 2, flash_pages = data_pages + 2 * firmware_pages + boot_pages, flash_unit = 8 };

/** What stands for the flash that can be written: far behind the boot part. Data first, then the two firmwares, then the boot part's record. */
#define FLASH_AT 0x00200000u
#define BOOT_OFFSET ((data_pages + 2 * firmware_pages) * flash_page)
_Static_assert(FLASH_AT + data_pages * flash_page == SLOT_A && SLOT_A + firmware_pages * flash_page == SLOT_B, "the firmwares are linked for other places");

/** The chip's watchdog (Arm DDI 0479): at its end an interrupt that nothing masks, which starts the board anew. */
#define WATCHDOG_LOAD (*(volatile uint32_t *)0x40008000)
#define WATCHDOG_CONTROL (*(volatile uint32_t *)0x40008008)
#define WATCHDOG_CLEAR (*(volatile uint32_t *)0x4000800c)
#define WATCHDOG_LOCK (*(volatile uint32_t *)0x40008c00)
enum { watchdog_key = 0x1acce551, watchdog_seconds = 10, core_hz = 25000000 };

static inline void mps2_watch(bool on) {
  WATCHDOG_LOCK = watchdog_key;
  WATCHDOG_LOAD = watchdog_seconds * core_hz;
  WATCHDOG_CONTROL = on ? 3 : 0;
}

#endif
