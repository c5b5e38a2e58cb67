// What comes in pieces: it goes straight to flash, where it is judged as a whole, and goes on after a power cut with the page that was being written (docs/serial.md 8.7 to 8.9).
#ifndef HYPHA_TRANSFER_H
#define HYPHA_TRANSFER_H

#include "slots.h"
#include "../trust/rules.h"

enum { what_root, what_directive, what_release, what_content };

/** What an offer says of it. */
typedef struct {
  uint8_t what;
  bool is_patch;
  bool has_base;
  uint8_t digest[32];
  uint8_t base[32];
  uint32_t size;
  uint32_t wire_size;
} transfer_offer;

typedef struct {
  bool open;
  uint32_t number;
  transfer_offer offer;
  /** It is of the firmware itself. */
  bool firmware;
  area into;
  flash_writer writer;
  /** Bytes that came, and that were told to be durable last. */
  uint32_t at, told;
} transfer;

/** Everything that is held in flash, and what of it is looked at again and again. */
typedef struct {
  records store;
  slots slots;
  /** The board's own id, and its key. */
  span id;
  uint8_t seed[32], key[32];
  transfer transfer;
  /** The slot of the firmware that runs; no_slot where it can't be updated. */
  uint8_t firmware;
  bool firmware_trial;
} held;

/** The longest envelope of a release that a slot takes; that of others is bounded by the inbox. */
uint32_t transfer_most_release(void);

/** What the rules judge by. */
trust held_trust(const held *in);
/** Highest floor, release and epoch of an app that were seen. */
typedef struct {
  uint32_t floor, release, epoch;
} risen;
risen held_risen(const held *in, span app);
code held_raise(held *in, span app, risen to);

/** What is to be done with pieces; `at` is the byte to begin with. With `complete` nothing is to be sent: it is there. */
code transfer_begin(held *in, uint32_t number, const transfer_offer *offer, uint32_t *at, bool *complete);
/** Takes a piece. */
code transfer_add(held *in, uint32_t number, uint32_t at, span bytes);
static inline bool transfer_is_whole(const held *in) { return in->transfer.open && in->transfer.at == in->transfer.offer.wire_size; }
/** Bytes that are durable. */
uint32_t transfer_durable(const held *in);

/** Bytes of the arena that judging the whole takes: more than can be spared while a module runs, perhaps. */
uint32_t transfer_scratch(const held *in);
/**
 * Judges what is whole by the rules, decodes and validates it, and writes down what follows. `scratch` is 8-aligned. On a wasm error `at` is where.
 */
code transfer_judge(held *in, uint8_t *scratch, uint32_t scratch_bytes);

#endif
