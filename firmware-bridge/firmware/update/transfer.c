#include "transfer.h"

#include "../trust/sha256.h"
#include "firmware.h"
#include "patch.h"

static const span no_name = {NULL, 0};

enum { least_scratch = 3072 };

uint32_t transfer_most_release(void) { return flash_slot(0).bytes / 2; }

/** The pages that something is to be written to; rules-order where what it belongs to isn't there yet. */
static code place_of(const held *in, const transfer_offer *offer, area *out) {
  uint8_t spare = slots_spare(&in->slots);
  // While something is on trial, the other slot is what it would go back to.
  bool on_trial = in->slots.active != no_slot && in->slots.slot[in->slots.active].status == slot_trial;
  if (offer->what >= what_release && on_trial) return code_rules_order;
  area slot = flash_slot(spare);
  const slot_facts *facts = &in->slots.slot[spare];
  uint32_t pages = round_up(offer->wire_size, board.flash.page);
  switch (offer->what) {
    case what_root:
    case what_directive:
      *out = flash_inbox();
      return offer->wire_size <= out->bytes ? code_ok : code_bytes_too_long;
    case what_release:
      *out = area_part(slot, 0, pages);
      return offer->wire_size <= transfer_most_release() ? code_ok : code_bytes_too_long;
    default: {
      if (facts->envelope_bytes == 0) return code_rules_order;
      uint32_t first = slot_module_at(facts->envelope_bytes), room = slot.bytes - first;
      // A patch stands behind what comes of it, where the side table goes later.
      uint32_t whole = offer->is_patch ? round_up(offer->size, board.flash.page) : 0;
      if (offer->size > room || pages > room || whole > room - pages) return code_board_full;
      *out = area_part(slot, offer->is_patch ? slot.bytes - pages : first, pages);
      return code_ok;
    }
  }
}

/** The slot with a content; no_slot where none has it. */
static uint8_t slot_with(const held *in, const uint8_t digest[32]) {
  for (uint8_t i = 0; i < flash_slots; i++) {
    uint8_t status = in->slots.slot[i].status;
    if (status >= slot_stored && status != slot_failed && same_digest(in->slots.slot[i].digest, digest)) return i;
  }
  return no_slot;
}

/** What is known of an offer before a byte of it came. */
static code check_offer(const held *in, const transfer_offer *offer) {
  trust by = held_trust(in);
  if (offer->what == what_release) return cbor_there(trust_section(&by, span_of(offer->digest, 32))) ? code_ok : code_rules_order;
  if (offer->what != what_content) return offer->is_patch || offer->size != offer->wire_size ? code_message_malformed : code_ok;
  if (!offer->is_patch && offer->size != offer->wire_size) return code_message_malformed;
  if (offer->has_base && (in->slots.active == no_slot || slot_with(in, offer->base) != in->slots.active)) return code_patch_base_missing;
  return held_check_listed(held_spare_section(in, &by), offer);
}

/** Whether what runs has this content and is still what the directive asks for, with nothing else on its way. */
static bool is_running(const held *in, const transfer_offer *offer) {
  const slot_facts *active = in->slots.active != no_slot ? &in->slots.slot[in->slots.active] : NULL;
  trust by = held_trust(in);
  return active != NULL && same_digest(active->digest, offer->digest) && !cbor_there(held_spare_section(in, &by)) &&
         cbor_there(trust_section_of(&by, slot_app(active), active->epoch));
}

/** Whether a directive or content is there already, as an earlier offer brought it. */
static bool is_there(const held *in, const transfer_offer *offer) {
  if (offer->what == what_directive) {
    trust by = held_trust(in);
    return by.directive_digest != NULL && same_digest(by.directive_digest, offer->digest);
  }
  if (offer->what == what_content) {
    uint8_t spare = slots_spare(&in->slots);
    if (in->slots.slot[spare].status == slot_stored && same_digest(in->slots.slot[spare].digest, offer->digest)) return true;
    return is_running(in, offer);
  }
  return false;
}

/** The release that runs, or waits in the spare slot, comes again: nothing needs to be sent. */
static void take_again(const held *in, const transfer_offer *offer, bool *there) {
  for (uint8_t i = 0; i < flash_slots; i++) {
    if (in->slots.slot[i].envelope_bytes != offer->size || in->slots.slot[i].status == slot_failed) continue;
    uint8_t digest[32];
    sha256_of(slot_envelope(&in->slots, i), digest);
    trust by = held_trust(in);
    cbor section = trust_section(&by, span_of(offer->digest, 32));
    bool same_epoch = cbor_there(section) && number_of(section, section_epoch) == in->slots.slot[i].epoch;
    if (same_digest(digest, offer->digest) && same_epoch) *there = true;
  }
}

/** Whether only validating it was cut off: the patch is gone by then, for the side table. */
static bool is_decoded(const held *in, const transfer_offer *offer) {
  const slot_facts *facts = &in->slots.slot[slots_spare(&in->slots)];
  return facts->table_at != 0 && same_digest(facts->digest, offer->digest);
}

/** A content that the active slot has, and that belongs to the release in the spare one too, is copied. */
static code copy_over(held *in) {
  transfer *t = &in->transfer;
  span from = slot_content(&in->slots, in->slots.active);
  TRY(writer_add(&t->writer, from));
  TRY(writer_end(&t->writer));
  t->at = t->offer.wire_size;
  return code_ok;
}

code transfer_begin(held *in, uint32_t number, const transfer_offer *offer, uint32_t *at, bool *complete) {
  transfer *t = &in->transfer;
  *t = (transfer){.number = number, .offer = *offer};
  *complete = false;
  *at = 0;
  t->firmware = firmware_concerns(in, offer);
  if (offer->what == what_release && !t->firmware) take_again(in, offer, complete);
  if (*complete || (t->firmware ? firmware_has(in, offer) : is_there(in, offer))) {
    *complete = true;
    *at = offer->wire_size;
    return code_ok;
  }
  TRY(t->firmware ? firmware_check(in, offer) : check_offer(in, offer));
  // What runs needs nothing of it: the spare slot begins anew with each release.
  if (offer->what == what_release && !t->firmware) TRY(slots_clear_spare(&in->slots, &in->store));
  TRY(t->firmware ? firmware_place(in, offer, &t->into) : place_of(in, offer, &t->into));
  if (offer->what == what_content && !t->firmware && is_decoded(in, offer)) {
    t->at = *at = offer->wire_size;
    t->open = true;
    return code_ok;
  }
  // What was begun in the same place by the same offer goes on, with the page that was being written.
  span mark = span_of(offer, sizeof *offer), before = records_get(&in->store, record_inbox, no_name);
  if (span_equal(mark, before)) {
    uint32_t written = flash_written(t->into);
    uint32_t from = written == 0 ? 0 : (written - 1) / board.flash.page * board.flash.page;
    TRY(flash_erase_written(area_part(t->into, from, t->into.bytes - from)));
    t->at = from;
  } else {
    TRY(records_delete(&in->store, record_inbox, no_name));
    TRY(flash_erase_written(t->into));
    TRY(records_put(&in->store, record_inbox, no_name, &mark, 1));
  }
  writer_begin(&t->writer, t->into, t->at);
  t->told = t->at;
  t->open = true;
  bool same = offer->what == what_content && !t->firmware && !offer->is_patch && t->at == 0 && in->slots.active != no_slot && slot_with(in, offer->digest) == in->slots.active;
  if (same) TRY(copy_over(in));
  *at = t->at;
  return code_ok;
}

code transfer_add(held *in, uint32_t number, uint32_t at, span bytes) {
  transfer *t = &in->transfer;
  if (!t->open || number != t->number) return code_transfer_out_of_order;
  if (at != t->at || bytes.length > t->offer.wire_size - t->at) {
    t->open = false;
    return code_transfer_out_of_order;
  }
  code written = writer_add(&t->writer, bytes);
  if (written == code_ok && at + bytes.length == t->offer.wire_size) written = writer_end(&t->writer);
  if (written != code_ok) {
    t->open = false;
    return written;
  }
  t->at += bytes.length;
  return code_ok;
}

uint32_t transfer_durable(const held *in) {
  const transfer *t = &in->transfer;
  if (t->at == t->offer.wire_size) return t->at;
  return writer_durable(&t->writer) - t->into.offset;
}

uint32_t transfer_scratch(const held *in) {
  const transfer *t = &in->transfer;
  if (t->offer.what != what_content) return 0;
  uint32_t state = t->offer.is_patch && t->offer.wire_size >= patch_head_bytes ? patch_state_bytes(flash_at(t->into.offset)) : 0;
  return state > least_scratch ? state : least_scratch;
}
