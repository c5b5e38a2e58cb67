// Everything that a board holds in flash, and what is asked of it wherever something comes.
#ifndef HYPHA_HELD_H
#define HYPHA_HELD_H

#include "../trust/rules.h"
#include "slots.h"

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
  /** The board's own id. */
  span id;
  transfer transfer;
  /** The slot of the firmware that runs; no_slot where it can't be updated. */
  uint8_t firmware;
  bool firmware_trial;
} held;

/** The board's own key: 32 bytes of its seed, 32 of the public key; empty before it has one. Stays where it is until the next write. */
span held_key(const held *in);
/** What the rules judge by. */
trust held_trust(const held *in);
/** Highest floor, release and epoch of an app that were seen. */
typedef struct {
  uint32_t floor, release, epoch;
} risen;
risen held_risen(const held *in, span app);
code held_raise(held *in, span app, risen to);

/** The section of the directive that the spare slot's release was accepted for. */
cbor held_spare_section(const held *in, const trust *by);
/** Whether the content is one that the section lists, with this size. */
code held_check_listed(cbor section, const transfer_offer *offer);
static inline bool same_digest(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, 32) == 0; }

#endif
