// The two slots for modules: what they hold, which one runs, and what becomes of a new one: stored, on trial, then confirmed, or failed and taken back.
//
// A slot has the release's envelope at its beginning, the module on the next page, its side table on the page behind that; a patch on its way stands at the end.
#ifndef HYPHA_SLOTS_H
#define HYPHA_SLOTS_H

#include "../store/records.h"

/** As docs/serial.md has them. */
enum { slot_empty, slot_receiving, slot_stored, slot_trial, slot_confirmed, slot_failed };

enum { most_id = 40, no_slot = 255 };

/** Goes to flash as it is. */
typedef struct {
  uint8_t status;
  uint8_t app_length, module_length;
  char app[most_id], module[most_id];
  uint32_t epoch, number;
  /** Of the release's payload. */
  uint8_t release[32];
  uint32_t envelope_bytes;
  /** Of the module; from the slot's beginning. */
  uint8_t digest[32];
  uint32_t at, bytes, table_at, table_bytes;
} slot_facts;

typedef struct {
  slot_facts slot[flash_slots];
  /** Which one runs; no_slot where none does. */
  uint8_t active;
} slots;

/** Reads what was written last. A slot that was on trial when the power went has failed: the other one runs again. */
code slots_open(slots *in, records *store);
/** Writes down what was changed: durable when it answers; what couldn't be written is as it was. */
code slots_write(slots *in, records *store);

/** The slot that may be written. */
static inline uint8_t slots_spare(const slots *in) { return in->active == 0 ? 1 : 0; }
/** The slot that runs; NULL where none does. */
slot_facts *slots_active(slots *in);

static inline span slot_app(const slot_facts *slot) { return span_of(slot->app, slot->app_length); }
static inline span slot_module(const slot_facts *slot) { return span_of(slot->module, slot->module_length); }
/** Where the module stands in its slot: behind the envelope. */
static inline uint32_t slot_module_at(uint32_t envelope_bytes) { return round_up(envelope_bytes, board.flash.page); }
span slot_envelope(const slots *in, uint8_t which);
span slot_content(const slots *in, uint8_t which);
/** The release's payload, inside its envelope. */
span slot_release(const slots *in, uint8_t which);

/** The spare slot runs from now on, on trial; what ran before is kept beside it. */
code slots_activate(slots *in, records *store);
code slots_confirm(slots *in, records *store);
/** What is on trial has failed: the other slot runs again if it was confirmed, else none. */
code slots_revert(slots *in, records *store);
/** Before a value of kv is written: while a slot is on trial, what it was is kept for the case that the trial is taken back. */
code slots_remember(slots *in, records *store, span kv_name);
/** The spare slot is empty. */
code slots_clear_spare(slots *in, records *store);

#endif
