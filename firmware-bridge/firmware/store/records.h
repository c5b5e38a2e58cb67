// Small things that must outlive a power cut: counters, root metadata, what runs, state of modules, their kv. A log of records in one of two banks; the last record of a
// name counts. When a bank is full, what counts goes to the other one, which begins to count with its last write: so each page is erased as often as any other.
//
// A power cut at any write leaves the store as it was before the write that it cut, or as it is after it.
#ifndef HYPHA_RECORDS_H
#define HYPHA_RECORDS_H

#include "flash.h"

/** What a record is of; values go to flash, so they never change. 0 and 255 are none. */
typedef enum {
  record_key = 1,        // the board's own key: seed, public key
  record_root = 2,       // payload of root metadata
  record_directive = 3,  // digest of the envelope, payload
  record_floor = 4,      // named by app: 4 bytes of floor, 4 of the highest release, 4 of the highest epoch
  record_slots = 5,      // what the slots hold and which runs: node.c
  record_journal = 6,    // incarnation and a number that none of its entries has reached
  record_state = 7,      // named by instance: what save() gave
  record_kv = 8,         // named by instance and key: a value
  record_inbox = 9,      // what is being received
  record_input = 10,     // named by source: the highest number that was handled
  record_firmware = 11,  // what the slots of the firmware hold: update/firmware.h
  record_kv_before = 12, // named as record_kv: what a value was before the trial that runs, or that there was none
} record_type;

enum { most_record_name = 200 };

typedef struct {
  uint8_t bank;
  /** Where the next record goes, from the bank's beginning. */
  uint32_t end;
  uint32_t sequence;
  /** A write was cut in this bank: nothing more can be written to it. */
  bool torn;
} records;

/** Finds what counts. A flash that never had any gets an empty store. */
code records_open(records *in);
/** Its value; `at` is NULL where there is none. It stays where it is until the next write. */
span records_get(const records *in, record_type type, span name);
/** Durable when it answers. The value is given in pieces, which may lie in the store itself. storage-full where there is no room. */
code records_put(records *in, record_type type, span name, const span *pieces, int count);
code records_delete(records *in, record_type type, span name);
/** Deletes all of a type. */
code records_delete_all(records *in, record_type type);

/** The next record that counts, from `at` on (begin with 0); false behind the last. */
bool records_next(const records *in, uint32_t *at, record_type *type, span *name, span *value);
/** Bytes that all records that count take, and how many a bank has. */
uint32_t records_used(const records *in);
uint32_t records_room(void);

#endif
