// What comes in pieces: it goes straight to flash, where it is judged as a whole, and goes on after a power cut with the page that was being written (docs/serial.md 8.7 to 8.9).
#ifndef HYPHA_TRANSFER_H
#define HYPHA_TRANSFER_H

#include "held.h"

/** The longest envelope of a release that a slot takes; that of others is bounded by the inbox. */
uint32_t transfer_most_release(void);

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
