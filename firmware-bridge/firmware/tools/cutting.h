// Cuts the power at every single write of an update, and once more in what follows: what update-check and firmware-check share.
#ifndef HYPHA_CUTTING_H
#define HYPHA_CUTTING_H

#include "../boards/host_flash.h"
#include "../burnt.h"
#include "../update/firmware.h"

extern burnt_facts facts;
extern board_facts test_board;
/** The slot of the firmware that the boot part has started. */
extern uint8_t running_slot;

typedef struct {
  /** Of which the counters must never fall. */
  span app;
  /** As the board does at its start, with its store open already. */
  code (*open)(held *in);
  /** All of an update that isn't done yet. */
  void (*update)(held *in);
  /** That what would run is whole; answers whether it is the new one. */
  bool (*is_new)(const held *in);
  /** How often the power may have to come back until the update has ended. */
  int rounds;
} update_story;

/** A flash of that many bytes, in pages of 1 KB. */
uint8_t *make_flash(uint32_t bytes, uint8_t inbox_pages, uint16_t firmware_pages);
/** Ends the process: why, by which code, behind which write. */
_Noreturn void fail(const char *why, code which);
void start(const update_story *of, held *in);
/** Offers something, sends it in pieces as far as it isn't there, and has it judged. `base` without bytes: it isn't a patch. */
void send_whole(held *in, uint8_t what, span bytes, span digest, uint32_t size, span base);
void send_envelope(held *in, uint8_t what, span bytes);
/** Begins with what is in flash, and prints how it went. */
int cut_everywhere(const update_story *of);

#endif
