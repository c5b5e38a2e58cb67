// Which of the two firmwares starts: a record that survives power cuts, and the starts of one on trial counted by the part that starts it. The boot part reads and counts, the
// firmware writes; neither ever writes to the slot that is confirmed.
#ifndef HYPHA_BOOT_H
#define HYPHA_BOOT_H

#include <stdbool.h>
#include <stdint.h>

enum { boot_tries = 3, boot_none = 255 };

/** The two pages of the record. `offset` is the first one's, for board_erase and board_program; `at` is where it is read. */
typedef struct {
  const uint8_t *at;
  uint32_t offset, page, unit;
} boot_place;

/** What the newest whole record says; a board that has none starts what it was flashed with, in slot 0. */
typedef struct {
  uint8_t confirmed;
  /** boot_none where none is. */
  uint8_t trial;
  /** Starts of it so far. */
  uint8_t tries;
  /** The page that the record is in; 1 where there is none, so that the first one goes to page 0. */
  uint8_t page;
  uint32_t sequence;
} boot_record;

boot_record boot_read(const boot_place *in);
/** The boot part's: the slot to start. A trial's start is counted before it begins; one that used up its tries is over. */
uint8_t boot_choose(const boot_place *in);
/** The firmware's: durable when it answers. The record before counts until this one is whole. False: the flash failed. */
bool boot_write(const boot_place *in, uint8_t confirmed, uint8_t trial);

#endif
