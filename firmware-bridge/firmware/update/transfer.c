#include "transfer.h"

#include "../trust/sha256.h"
#include "../wasm/wasm.h"
#include "firmware.h"
#include "patch.h"

static const span no_name = {NULL, 0};

enum { least_scratch = 3072 };

uint32_t transfer_most_release(void) { return flash_slot(0).bytes / 2; }

trust held_trust(const held *in) {
  span directive = records_get(&in->store, record_directive, no_name);
  trust out = {.node = in->id, .root = records_get(&in->store, record_root, no_name)};
  if (directive.length > 32) {
    out.directive_digest = directive.at;
    out.directive = span_of(directive.at + 32, directive.length - 32);
  }
  return out;
}

risen held_risen(const held *in, span app) {
  span value = records_get(&in->store, record_floor, app);
  return value.length == 12 ? (risen){load32(value.at), load32(value.at + 4), load32(value.at + 8)} : (risen){0, 0, 0};
}

code held_raise(held *in, span app, risen to) {
  risen now = held_risen(in, app);
  // Whatever is asked for: these never fall.
  if (to.floor < now.floor) to.floor = now.floor;
  if (to.release < now.release) to.release = now.release;
  if (to.epoch < now.epoch) to.epoch = now.epoch;
  if (to.floor == now.floor && to.release == now.release && to.epoch == now.epoch) return code_ok;
  uint8_t bytes[12];
  store32(bytes, to.floor);
  store32(bytes + 4, to.release);
  store32(bytes + 8, to.epoch);
  span value = span_of(bytes, sizeof bytes);
  return records_put(&in->store, record_floor, app, &value, 1);
}

/** Where the module stands in a slot: behind the envelope. */
static uint32_t module_at(uint32_t envelope_bytes) { return round_up(envelope_bytes, board.flash.page); }

static area part_of(area whole, uint32_t from, uint32_t bytes) { return (area){whole.offset + from, bytes}; }

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
      *out = part_of(slot, 0, pages);
      return offer->wire_size <= transfer_most_release() ? code_ok : code_bytes_too_long;
    default: {
      if (facts->envelope_bytes == 0) return code_rules_order;
      uint32_t first = module_at(facts->envelope_bytes), room = slot.bytes - first;
      // A patch stands behind what comes of it, where the side table goes later.
      uint32_t whole = offer->is_patch ? round_up(offer->size, board.flash.page) : 0;
      if (offer->size > room || pages > room || whole > room - pages) return code_board_full;
      *out = part_of(slot, offer->is_patch ? slot.bytes - pages : first, pages);
      return code_ok;
    }
  }
}

static bool same_digest(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, 32) == 0; }

/** The slot with a content; no_slot where none has it. */
static uint8_t slot_with(const held *in, const uint8_t digest[32]) {
  for (uint8_t i = 0; i < flash_slots; i++) {
    uint8_t status = in->slots.slot[i].status;
    if (status >= slot_stored && status != slot_failed && same_digest(in->slots.slot[i].digest, digest)) return i;
  }
  return no_slot;
}

/** The section of the directive that the spare slot's release was accepted for. */
static cbor spare_section(const held *in, const trust *by) {
  const slot_facts *facts = &in->slots.slot[slots_spare(&in->slots)];
  return facts->envelope_bytes == 0 ? NULL : trust_section_of(by, slot_app(facts), facts->epoch);
}

/** Whether the content is one that the section lists, with this size. */
static code check_listed(cbor section, const transfer_offer *offer) {
  if (!cbor_there(section)) return code_rules_order;
  for EACH(content, cbor_get(section, section_contents))
    if (same_digest(content_of(content, content_digest).at, offer->digest)) return number_of(content, content_size) == offer->size ? code_ok : code_size_mismatch;
  return code_content_unlisted;
}

/** What is known of an offer before a byte of it came. */
static code check_offer(const held *in, const transfer_offer *offer) {
  trust by = held_trust(in);
  if (offer->what == what_release) return cbor_there(trust_section(&by, span_of(offer->digest, 32))) ? code_ok : code_rules_order;
  if (offer->what != what_content) return offer->is_patch || offer->size != offer->wire_size ? code_message_malformed : code_ok;
  if (!offer->is_patch && offer->size != offer->wire_size) return code_message_malformed;
  if (offer->has_base && slot_with(in, offer->base) != in->slots.active) return code_patch_base_missing;
  return check_listed(spare_section(in, &by), offer);
}

/** Whether what runs has this content and is still what the directive asks for, with nothing else on its way. */
static bool is_running(const held *in, const transfer_offer *offer) {
  const slot_facts *active = in->slots.active != no_slot ? &in->slots.slot[in->slots.active] : NULL;
  trust by = held_trust(in);
  return active != NULL && same_digest(active->digest, offer->digest) && !cbor_there(spare_section(in, &by)) &&
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

/** Erases what isn't, so that a page is erased no oftener than it must. */
static code erase_written(area of) {
  for (uint32_t at = 0; at < of.bytes; at += board.flash.page) {
    area page = part_of(of, at, board.flash.page);
    if (flash_written(page) > 0) TRY(flash_erase(page));
  }
  return code_ok;
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
    TRY(erase_written(part_of(t->into, from, t->into.bytes - from)));
    t->at = from;
  } else {
    TRY(records_delete(&in->store, record_inbox, no_name));
    TRY(erase_written(t->into));
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

static __attribute__((noinline)) code judge_root(held *in, span bytes) {
  trust by = held_trust(in);
  // What the first one is was burnt in: nobody on the line can say it.
  if (by.root.length == 0) return code_join_root_mismatch;
  span payload;
  root_change change;
  TRY(trust_root(&by, bytes, flash_inbox().bytes, &payload, &change));
  if (change.same) return code_ok;
  // Forgotten first: if the power is cut in between, the same root metadata comes again, and nothing was believed that shouldn't be.
  if (change.forget_directive) TRY(records_delete(&in->store, record_directive, no_name));
  if (change.forget_floors) TRY(records_delete_all(&in->store, record_floor));
  return records_put(&in->store, record_root, no_name, &payload, 1);
}

static __attribute__((noinline)) code judge_directive(held *in, span bytes) {
  trust by = held_trust(in);
  if (by.root.length == 0) return code_rules_order;
  span payload;
  bool same;
  TRY(trust_directive(&by, bytes, flash_inbox().bytes, &payload, &same));
  if (same) return code_ok;
  uint8_t digest[32];
  sha256_of(bytes, digest);
  span pieces[2] = {span_of(digest, 32), payload};
  return records_put(&in->store, record_directive, no_name, pieces, 2);
}

/** Writes down what the spare slot is for. Apart from the check of signatures, which needs the stack for itself. */
static __attribute__((noinline)) code accept_release(held *in, cbor section, span payload, uint32_t envelope_bytes) {
  slots next = in->slots;
  slot_facts *facts = &next.slot[slots_spare(&next)];
  cbor instance = cbor_first(cbor_get(section, section_instances));
  span app = content_of(section, section_app), module = content_of(instance, instance_module);
  memset(facts, 0, sizeof *facts);
  facts->status = slot_receiving;
  facts->app_length = (uint8_t)app.length;
  memcpy(facts->app, app.at, app.length);
  facts->module_length = (uint8_t)module.length;
  memcpy(facts->module, module.at, module.length);
  facts->epoch = number_of(section, section_epoch);
  facts->number = number_of(payload.at, release_number);
  memcpy(facts->release, content_of(section, section_release).at, 32);
  facts->envelope_bytes = envelope_bytes;
  cbor artifact = cbor_get(release_module(payload.at, module), module_core);
  memcpy(facts->digest, content_of(artifact, artifact_digest).at, 32);
  facts->bytes = number_of(artifact, artifact_size);
  facts->at = module_at(envelope_bytes);
  risen raised = {number_of(payload.at, release_floor), facts->number, facts->epoch};
  // The slot's facts first: a counter's record may move all others to the other bank, the directive with them.
  TRY(slots_write(&next, &in->store));
  in->slots = next;
  return held_raise(in, slot_app(&in->slots.slot[slots_spare(&in->slots)]), raised);
}

static __attribute__((noinline)) code judge_release(held *in, span bytes) {
  trust by = held_trust(in);
  cbor section = trust_section(&by, span_of(in->transfer.offer.digest, 32));
  if (!cbor_there(section)) return code_rules_order;
  span payload;
  TRY(trust_release(&by, section, bytes, transfer_most_release(), held_risen(in, content_of(section, section_app)).floor, &payload));
  if (in->transfer.firmware) return firmware_accept(in, section, payload);
  cbor instance = cbor_get(section, section_instances);
  if (count_of(instance) != 1) return code_board_instances;
  if (number_of(cbor_first(instance), instance_form) != 0) return code_content_unlisted;
  return accept_release(in, section, payload, bytes.length);
}

static bool emit(void *context, uint8_t byte) { return writer_add(context, span_of(&byte, 1)) == code_ok; }

/** Makes what it is of a patch, in front of it. */
static code decode(held *in, area into, span old, uint8_t *scratch, uint32_t scratch_bytes) {
  const transfer_offer *offer = &in->transfer.offer;
  const uint8_t *bytes = flash_at(in->transfer.into.offset);
  uint32_t needed = offer->wire_size < patch_head_bytes ? 0 : patch_state_bytes(bytes);
  if (needed == 0 || needed > scratch_bytes) return code_delta_malformed;
  area whole = part_of(into, 0, round_up(offer->size, board.flash.page));
  TRY(erase_written(whole));
  flash_writer writer;
  writer_begin(&writer, whole, 0);
  patch *p = patch_begin(scratch, bytes, old, emit, &writer);
  for (uint32_t at = patch_head_bytes; at < offer->wire_size;) {
    uint32_t take = offer->wire_size - at < 64 ? offer->wire_size - at : 64;
    board_alive();
    TRY(patch_add(p, span_of(bytes + at, take)));
    at += take;
  }
  TRY(patch_end(p));
  return writer_end(&writer);
}

typedef struct {
  uint32_t offset;
} sink_at;

static bool write_table(void *context, uint32_t at, const void *bytes, uint32_t length) {
  return board_program(((sink_at *)context)->offset + at, bytes, length);
}

/** Validates the module and writes its side table behind it, over the patch. */
static code validate(held *in, slot_facts *facts, uint8_t *scratch, uint32_t scratch_bytes) {
  area slot = flash_slot(slots_spare(&in->slots));
  area table = part_of(slot, facts->table_at, slot.bytes - facts->table_at);
  TRY(erase_written(table));
  sink_at where = {table.offset};
  struct wasm_sink sink = {write_table, &where, flash_at(table.offset), table.bytes};
  struct wasm_module module;
  uint32_t at;
  board_alive();
  enum wasm_error error = wasm_validate(&module, flash_at(slot.offset + facts->at), facts->bytes, &sink, scratch, scratch_bytes, &at);
  if (error == wasm_error_side_table || error == wasm_error_scratch) return code_board_full;
  if (error == wasm_error_unsupported || error == wasm_error_implementation_limit) return code_wasm_unsupported;
  if (error != wasm_ok) return code_wasm_malformed;
  facts->table_bytes = module.table_length;
  // What it needs at the least must be there, or it could never start.
  if (wasm_memory_bytes(&module) + wasm_arena_bytes(&module) > board.arena_bytes) return code_wasm_memory;
  return code_ok;
}

/** Images need no side table: they are judged by what they are for. */
static code judge_image(held *in, uint8_t *scratch, uint32_t scratch_bytes) {
  if (in->transfer.offer.is_patch) {
    span old = in->transfer.offer.has_base ? firmware_running(in) : (span){NULL, 0};
    TRY(decode(in, flash_firmware(firmware_spare(in)), old, scratch, scratch_bytes));
  }
  return firmware_judge(in);
}

static __attribute__((noinline)) code judge_content(held *in, uint8_t *scratch, uint32_t scratch_bytes) {
  const transfer_offer *offer = &in->transfer.offer;
  trust by = held_trust(in);
  TRY(check_listed(spare_section(in, &by), offer));
  slots next = in->slots;
  uint8_t spare = slots_spare(&next);
  slot_facts *facts = &next.slot[spare];
  // The one that the instance runs; whatever else the section lists isn't for a board.
  if (!same_digest(facts->digest, offer->digest)) return code_content_unlisted;
  if (offer->is_patch && facts->table_at == 0) {
    area slot = flash_slot(spare);
    span old = offer->has_base ? slot_content(&in->slots, in->slots.active) : (span){NULL, 0};
    TRY(decode(in, part_of(slot, facts->at, slot.bytes - facts->at), old, scratch, scratch_bytes));
  }
  uint8_t digest[32];
  sha256_of(slot_content(&next, spare), digest);
  if (!same_digest(digest, offer->digest)) return offer->is_patch ? code_content_mismatch : code_digest_mismatch;
  facts->table_at = round_up(facts->at + facts->bytes, board.flash.page);
  TRY(slots_write(&next, &in->store));
  in->slots = next;
  TRY(validate(in, facts, scratch, scratch_bytes));
  facts->status = slot_stored;
  TRY(slots_write(&next, &in->store));
  in->slots = next;
  return code_ok;
}

code transfer_judge(held *in, uint8_t *scratch, uint32_t scratch_bytes) {
  transfer *t = &in->transfer;
  t->open = false;
  span bytes = span_of(flash_at(t->into.offset), t->offer.wire_size);
  if (t->offer.what != what_content) {
    uint8_t digest[32];
    sha256_of(bytes, digest);
    if (!same_digest(digest, t->offer.digest)) {
      records_delete(&in->store, record_inbox, no_name);
      return code_digest_mismatch;
    }
  }
  code found = t->offer.what == what_root        ? judge_root(in, bytes)
               : t->offer.what == what_directive ? judge_directive(in, bytes)
               : t->offer.what == what_release   ? judge_release(in, bytes)
               : t->firmware                     ? judge_image(in, scratch, scratch_bytes)
                                                 : judge_content(in, scratch, scratch_bytes);
  // What was refused isn't kept, else it would be refused again without a byte sent anew.
  code forgotten = records_delete(&in->store, record_inbox, no_name);
  return found == code_ok ? forgotten : found;
}
