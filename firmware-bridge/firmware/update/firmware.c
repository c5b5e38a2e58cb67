#include "firmware.h"

#include "../boot/image.h"
#include "../trust/sha256.h"

static const span no_name = {NULL, 0};

bool firmware_is(span app) { return span_equal(app, SPAN_TEXT("hypha-firmware")); }

firmware_facts firmware_read(const held *in) {
  firmware_facts facts;
  span written = records_get(&in->store, record_firmware, no_name);
  if (written.length == sizeof facts) memcpy(&facts, written.at, sizeof facts);
  else memset(&facts, 0, sizeof facts);
  return facts;
}

static code write_facts(held *in, const firmware_facts *facts) {
  span value = span_of(facts, sizeof *facts);
  return records_put(&in->store, record_firmware, no_name, &value, 1);
}

span firmware_running(const held *in) {
  firmware_facts facts = firmware_read(in);
  return span_of(flash_at(flash_firmware(in->firmware).offset), facts.slot[in->firmware].bytes);
}

code firmware_open(held *in, bool *reverted) {
  in->firmware = firmware_can_change() ? board_slot() : no_slot;
  if (!firmware_can_change()) return code_ok;
  boot_place place = flash_boot();
  boot_record record = boot_read(&place);
  in->firmware_trial = record.trial == in->firmware;
  firmware_facts facts = firmware_read(in);
  firmware_slot *runs = &facts.slot[in->firmware], *other = &facts.slot[firmware_spare(in)];
  *reverted = record.trial == firmware_spare(in);
  if (*reverted) other->status = slot_failed;
  else if (runs->status == slot_confirmed || (in->firmware_trial && runs->status != slot_empty)) return code_ok;
  if (runs->status == slot_empty) {
    // As it was flashed.
    runs->bytes = image.bytes;
    sha256_of(span_of(flash_at(flash_firmware(in->firmware).offset), image.bytes), runs->digest);
  }
  if (!in->firmware_trial) runs->status = slot_confirmed;
  TRY(write_facts(in, &facts));
  return !*reverted || boot_write(&place, in->firmware, boot_none) ? code_ok : code_board_flash;
}

/** The image that a release has for this kind of board and a slot; none where it has none. */
static cbor file_for(cbor release, uint8_t which) {
  for EACH(file, cbor_get(release, release_files)) {
    cbor kind = cbor_get(file, file_arch);
    if (!cbor_there(kind) || !cbor_content_is(kind, span_of(board.name, (uint32_t)strlen(board.name)))) continue;
    if (content_is(file, file_name, which == 0 ? SPAN_TEXT("slot-a") : SPAN_TEXT("slot-b"))) return cbor_get(file, file_artifact);
  }
  return NULL;
}

static bool has_digest(cbor artifact, const uint8_t digest[32]) { return cbor_there(artifact) && content_is(artifact, artifact_digest, span_of(digest, 32)); }

static bool is_image(const firmware_slot *slot, const transfer_offer *offer) { return slot->bytes > 0 && memcmp(slot->digest, offer->digest, 32) == 0; }

/** The section whose release's envelope is offered; none where that isn't the firmware's. */
static cbor section_offered(const held *in, const transfer_offer *offer) {
  trust by = held_trust(in);
  cbor section = trust_section(&by, span_of(offer->digest, 32));
  return cbor_there(section) && firmware_is(content_of(section, section_app)) ? section : NULL;
}

bool firmware_concerns(const held *in, const transfer_offer *offer) {
  if (offer->what == what_release) return section_offered(in, offer) != NULL;
  if (offer->what != what_content || !firmware_can_change()) return false;
  firmware_facts facts = firmware_read(in);
  return is_image(&facts.slot[0], offer) || is_image(&facts.slot[1], offer);
}

bool firmware_has(const held *in, const transfer_offer *offer) {
  if (!firmware_can_change()) return false;
  firmware_facts facts = firmware_read(in);
  const firmware_slot *runs = &facts.slot[in->firmware], *spare = &facts.slot[firmware_spare(in)];
  if (offer->what == what_content) return is_image(runs, offer) || (spare->status == slot_stored && is_image(spare, offer));
  cbor section = section_offered(in, offer);
  for (int i = 0; i < 2; i++) {
    const firmware_slot *slot = &facts.slot[i];
    bool whole = slot->status == slot_stored || slot->status == slot_receiving || i == in->firmware;
    if (whole && slot->epoch == number_of(section, section_epoch) && content_is(section, section_release, span_of(slot->release, 32))) return true;
  }
  return false;
}

/** Whether the directive that is held now still asks for what was accepted. */
static bool is_asked_for(const held *in, const firmware_slot *slot) {
  trust by = held_trust(in);
  cbor section = trust_section_of(&by, SPAN_TEXT("hypha-firmware"), slot->epoch);
  return cbor_there(section) && content_is(section, section_release, span_of(slot->release, 32));
}

code firmware_check(const held *in, const transfer_offer *offer) {
  if (!firmware_can_change()) return code_update_unsupported;
  if (offer->what == what_release) return offer->is_patch || offer->size != offer->wire_size ? code_message_malformed : code_ok;
  firmware_facts facts = firmware_read(in);
  const firmware_slot *runs = &facts.slot[in->firmware], *spare = &facts.slot[firmware_spare(in)];
  if (!offer->is_patch && offer->size != offer->wire_size) return code_message_malformed;
  if (offer->has_base && (runs->bytes == 0 || memcmp(runs->digest, offer->base, 32) != 0)) return code_patch_base_missing;
  if (offer->size != spare->bytes) return code_size_mismatch;
  return is_asked_for(in, spare) ? code_ok : code_rules_order;
}

code firmware_place(const held *in, const transfer_offer *offer, area *out) {
  if (!firmware_can_change()) return code_update_unsupported;
  // While one is on trial, the other slot is what it would go back to.
  if (in->firmware_trial) return code_rules_order;
  *out = flash_inbox();
  if (offer->what == what_release) return offer->wire_size <= out->bytes ? code_ok : code_bytes_too_long;
  area slot = flash_firmware(firmware_spare(in));
  uint32_t pages = round_up(offer->wire_size, board.flash.page), whole = offer->is_patch ? round_up(offer->size, board.flash.page) : 0;
  if (pages > slot.bytes || whole > slot.bytes - pages) return code_board_full;
  *out = (area){slot.offset + (offer->is_patch ? slot.bytes - pages : 0), pages};
  return code_ok;
}

code firmware_accept(held *in, cbor section, span payload) {
  if (!firmware_can_change()) return code_update_unsupported;
  if (count_of(cbor_get(section, section_instances)) != 0) return code_board_instances;
  firmware_facts facts = firmware_read(in);
  firmware_slot *slot = &facts.slot[in->firmware];
  // What runs may be of this release already: flashed, or of an earlier epoch. It has proven itself, whoever put it here.
  if (slot->bytes == 0 || !has_digest(file_for(payload.at, in->firmware), slot->digest)) {
    slot = &facts.slot[firmware_spare(in)];
    cbor artifact = file_for(payload.at, firmware_spare(in));
    if (!cbor_there(artifact)) return code_firmware_board;
    memset(slot, 0, sizeof *slot);
    slot->status = slot_receiving;
    slot->bytes = number_of(artifact, artifact_size);
    if (slot->bytes > flash_firmware(0).bytes) return code_board_full;
    memcpy(slot->digest, content_of(artifact, artifact_digest).at, 32);
  }
  slot->epoch = number_of(section, section_epoch);
  slot->number = number_of(payload.at, release_number);
  memcpy(slot->release, content_of(section, section_release).at, 32);
  risen raised = {number_of(payload.at, release_floor), slot->number, slot->epoch};
  TRY(write_facts(in, &facts));
  return held_raise(in, SPAN_TEXT("hypha-firmware"), raised);
}

code firmware_judge(held *in) {
  if (!firmware_can_change()) return code_update_unsupported;
  area into = flash_firmware(firmware_spare(in));
  firmware_facts facts = firmware_read(in);
  firmware_slot *slot = &facts.slot[firmware_spare(in)];
  const uint8_t *bytes = flash_at(into.offset);
  uint8_t digest[32];
  sha256_of(span_of(bytes, slot->bytes), digest);
  if (memcmp(digest, slot->digest, sizeof digest) != 0) return in->transfer.offer.is_patch ? code_content_mismatch : code_digest_mismatch;
  // Whatever the release says of it: what isn't made for this place could never say that it fails.
  image_head head;
  memcpy(&head, bytes + image_head_at, sizeof head);
  bool fits = slot->bytes >= image_head_at + sizeof head && head.magic == image_magic && memcmp(head.board, board.name, strlen(board.name) + 1) == 0;
  if (!fits || (head.address != 0 && head.address != (uint32_t)(uintptr_t)bytes)) return code_firmware_board;
  slot->status = slot_stored;
  return write_facts(in, &facts);
}

code firmware_may_start(const held *in, span release) {
  if (!firmware_can_change()) return code_rules_order;
  firmware_facts facts = firmware_read(in);
  const firmware_slot *spare = &facts.slot[firmware_spare(in)];
  if (!is_asked_for(in, spare) || !span_equal(release, span_of(spare->release, 32))) return code_commit_mismatch;
  return spare->status == slot_stored ? code_ok : code_rules_order;
}

code firmware_activate(held *in) {
  if (!firmware_can_change()) return code_rules_order;
  boot_place place = flash_boot();
  return boot_write(&place, in->firmware, firmware_spare(in)) ? code_ok : code_board_flash;
}

code firmware_confirm(held *in) {
  if (!firmware_can_change()) return code_rules_order;
  boot_place place = flash_boot();
  if (!boot_write(&place, in->firmware, boot_none)) return code_board_flash;
  in->firmware_trial = false;
  board_watch(false);
  firmware_facts facts = firmware_read(in);
  facts.slot[in->firmware].status = slot_confirmed;
  return write_facts(in, &facts);
}

code firmware_revert(held *in) {
  if (!firmware_can_change()) return code_rules_order;
  boot_place place = flash_boot();
  firmware_facts facts = firmware_read(in);
  facts.slot[in->firmware].status = slot_failed;
  // The facts first: a cut in between has it fail by its starts instead.
  TRY(write_facts(in, &facts));
  return boot_write(&place, firmware_spare(in), boot_none) ? code_ok : code_board_flash;
}
