#include "../trust/sha256.h"
#include "../wasm/wasm.h"
#include "firmware.h"
#include "patch.h"
#include "transfer.h"

static const span no_name = {NULL, 0};

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
  slot_facts *facts = &in->slots.slot[slots_spare(&in->slots)];
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
  facts->at = slot_module_at(envelope_bytes);
  risen raised = {number_of(payload.at, release_floor), facts->number, facts->epoch};
  // The slot's facts first: a counter's record may move all others to the other bank, the directive with them.
  TRY(slots_write(&in->slots, &in->store));
  return held_raise(in, slot_app(facts), raised);
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
  area whole = area_part(into, 0, round_up(offer->size, board.flash.page));
  TRY(flash_erase_written(whole));
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
  area table = area_part(slot, facts->table_at, slot.bytes - facts->table_at);
  TRY(flash_erase_written(table));
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
  if (!firmware_can_change()) return code_update_unsupported;
  if (in->transfer.offer.is_patch) {
    span old = in->transfer.offer.has_base ? firmware_running(in) : (span){NULL, 0};
    TRY(decode(in, flash_firmware(firmware_spare(in)), old, scratch, scratch_bytes));
  }
  return firmware_judge(in);
}

static __attribute__((noinline)) code judge_content(held *in, uint8_t *scratch, uint32_t scratch_bytes) {
  const transfer_offer *offer = &in->transfer.offer;
  trust by = held_trust(in);
  TRY(held_check_listed(held_spare_section(in, &by), offer));
  uint8_t spare = slots_spare(&in->slots);
  slot_facts *facts = &in->slots.slot[spare];
  // The one that the instance runs; whatever else the section lists isn't for a board.
  if (!same_digest(facts->digest, offer->digest)) return code_content_unlisted;
  if (offer->is_patch && facts->table_at == 0) {
    area slot = flash_slot(spare);
    span old = offer->has_base ? slot_content(&in->slots, in->slots.active) : (span){NULL, 0};
    TRY(decode(in, area_part(slot, facts->at, slot.bytes - facts->at), old, scratch, scratch_bytes));
  }
  uint8_t digest[32];
  sha256_of(slot_content(&in->slots, spare), digest);
  if (!same_digest(digest, offer->digest)) return offer->is_patch ? code_content_mismatch : code_digest_mismatch;
  facts->table_at = round_up(facts->at + facts->bytes, board.flash.page);
  TRY(slots_write(&in->slots, &in->store));
  TRY(validate(in, facts, scratch, scratch_bytes));
  facts->status = slot_stored;
  return slots_write(&in->slots, &in->store);
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
