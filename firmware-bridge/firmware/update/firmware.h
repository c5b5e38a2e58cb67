// The firmware itself as the built-in app `hypha-firmware` [P 6.8]: a release has an image for each kind of board and slot. It comes, is verified and goes on trial as a module does;
// which one starts is the boot part's business, and what was received into which slot stands in a record.
#ifndef HYPHA_FIRMWARE_H
#define HYPHA_FIRMWARE_H

#include "held.h"

/** What is known of a slot; goes to flash as it is. `status` has the words of slots, and what runs is confirmed unless the boot part's record says otherwise. */
typedef struct {
  uint8_t status;
  /** 0: it came with the board. */
  uint32_t epoch;
  uint32_t number, bytes;
  uint8_t release[32], digest[32];
} firmware_slot;

typedef struct {
  firmware_slot slot[2];
} firmware_facts;

/** Whether this board has room for two firmwares; what is only for those that have it, others don't carry along. */
static inline bool firmware_can_change(void) { return board.flash.firmware_pages > 0; }

bool firmware_is(span app);
firmware_facts firmware_read(const held *in);
static inline uint8_t firmware_spare(const held *in) { return 1 - in->firmware; }
/** The image that runs; empty where it isn't known. */
span firmware_running(const held *in);

/** At the start. `reverted` where the other one was on trial and isn't any more. */
code firmware_open(held *in, bool *reverted);
/** Whether an offer is of the firmware: its release, or the image that was accepted last. */
bool firmware_concerns(const held *in, const transfer_offer *offer);
/** Whether what is offered is there already. */
bool firmware_has(const held *in, const transfer_offer *offer);
/** What is known of an offer before a byte of it came: patch-base-missing, size-mismatch, rules-order. */
code firmware_check(const held *in, const transfer_offer *offer);
/** The pages that it is to be written to. */
code firmware_place(const held *in, const transfer_offer *offer, area *out);
/** A release that was verified: what the spare slot is for. */
code firmware_accept(held *in, cbor section, span payload);
/** The image stands in the spare slot: judges it, and writes down that it may be started. */
code firmware_judge(held *in);
/** Whether the directive still asks for what the spare slot holds whole, of this release: commit-mismatch, rules-order. */
code firmware_may_start(const held *in, span release);
/** The next start is that of the spare slot, on trial. */
code firmware_activate(held *in);
code firmware_confirm(held *in);
/** The next start is that of the other slot; the one that runs has failed. */
code firmware_revert(held *in);

#endif
