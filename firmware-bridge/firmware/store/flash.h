// The board's flash in its parts, and writing whatever number of bytes to it.
#ifndef HYPHA_FLASH_H
#define HYPHA_FLASH_H

#include "../base/bytes.h"
#include "../base/codes.h"
#include "../board.h"
#include "../boot/boot.h"

/** A stretch of whole pages. */
typedef struct {
  uint32_t offset;
  uint32_t bytes;
} area;

static inline area area_part(area whole, uint32_t from, uint32_t bytes) { return (area){whole.offset + from, bytes}; }

area flash_bank(int which);
area flash_inbox(void);
area flash_slot(int which);
/** The slot of a firmware; no bytes where the board has none. */
area flash_firmware(int which);
/** Where the boot part's record is. */
boot_place flash_boot(void);

enum { flash_slots = 2 };

static inline const uint8_t *flash_at(uint32_t offset) { return board.flash.at + offset; }
static inline uint32_t round_up(uint32_t bytes, uint32_t to) { return (bytes + to - 1) / to * to; }

code flash_erase(area of);
/** Erases what isn't, so that a page is erased no oftener than it must. */
code flash_erase_written(area of);
/** How far anything is written, from its beginning on: bytes up to the last that isn't erased. */
uint32_t flash_written(area of);

/**
 * Writes bytes one after another. What fills no unit waits in RAM until more comes, or until it is ended. `at` is where the next byte goes.
 */
typedef struct {
  uint32_t at;
  uint32_t end;
  uint8_t waiting[8];
} flash_writer;

void writer_begin(flash_writer *writer, area into, uint32_t from);
code writer_add(flash_writer *writer, span bytes);
/** Writes what waits, filled up with ones. `at` then is at a unit's beginning. */
code writer_end(flash_writer *writer);
/** Bytes that are durable. */
uint32_t writer_durable(const flash_writer *writer);

#endif
