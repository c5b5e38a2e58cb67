#include "held.h"

static const span no_name = {NULL, 0};

span held_key(const held *in) { return records_get(&in->store, record_key, no_name); }

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

cbor held_spare_section(const held *in, const trust *by) {
  const slot_facts *facts = &in->slots.slot[slots_spare(&in->slots)];
  return facts->envelope_bytes == 0 ? NULL : trust_section_of(by, slot_app(facts), facts->epoch);
}

code held_check_listed(cbor section, const transfer_offer *offer) {
  if (!cbor_there(section)) return code_rules_order;
  for EACH(content, cbor_get(section, section_contents))
    if (same_digest(content_of(content, content_digest).at, offer->digest)) return number_of(content, content_size) == offer->size ? code_ok : code_size_mismatch;
  return code_content_unlisted;
}
