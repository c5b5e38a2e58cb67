#include "node.h"

#include "../boot/image.h"
#include "../burnt.h"
#include "../trust/ed25519.h"
#include "../trust/schema.h"
#include "../trust/sha256.h"
#include "../update/firmware.h"

/* Messages of docs/serial.md, section 8. */

enum { to_time, to_offer, to_piece, to_abandon, to_activation, to_ack, to_session, to_input, to_call, to_kinds };
enum { from_identify, from_state, from_held, from_refused, from_report, from_session, from_answer, from_firmware };

static const shape from_1 = {.type = is_uint, .count = 1, .most = 0xffffffff};
static const shape eight = {.type = is_exactly, .most = 8};
static const shape sixteen = {.type = is_exactly, .most = 16};
static const shape any_bytes = {.type = is_bytes, .most = 4096};
static const shape name_text = {.type = is_text, .most = 64};
static const shape topic_text = {.type = is_text, .most = 512};
static const shape four_words = {.type = is_one_of, .count = 4};
static const shape three_words = {.type = is_one_of, .count = 3};
static const shape two_words = {.type = is_one_of, .count = 2};
static const shape anything = {.type = is_any};

RECORD(time_shape, {1, false, &shape_uint});
RECORD(offer_shape, {1, false, &from_1}, {2, false, &four_words}, {3, false, &shape_digest}, {4, false, &shape_u32}, {5, false, &two_words},
       {6, true, &shape_digest}, {7, false, &shape_u32});
RECORD(piece_shape, {1, false, &from_1}, {2, false, &shape_u32}, {3, false, &any_bytes});
RECORD(abandon_shape, {1, false, &from_1});
RECORD(activation_shape, {1, false, &three_words}, {2, false, &shape_id}, {3, false, &from_1}, {4, false, &shape_digest});
RECORD(ack_shape, {1, false, &eight}, {2, false, &shape_uint}, {3, true, &shape_bool});
RECORD(session_shape, {1, false, &shape_digest}, {2, true, &sixteen});
RECORD(input_shape, {1, false, &eight}, {2, false, &shape_uint}, {3, false, &shape_id}, {4, false, &shape_id}, {5, true, &shape_id}, {6, false, &topic_text}, {7, false, &any_bytes});
RECORD(call_shape, {1, false, &from_1}, {2, false, &two_words}, {3, false, &name_text}, {4, true, &anything});

static const shape *const kinds[to_kinds] = {&time_shape, &offer_shape, &piece_shape, &abandon_shape, &activation_shape, &ack_shape, &session_shape, &input_shape, &call_shape};

void node_refuse(node *n, uint8_t of, const uint32_t *number, code why) {
  if (n->refusal_count == node_refusals) return;
  n->refusals[n->refusal_count++] = (refusal){of, number != NULL, number != NULL ? *number : 0, why};
}

/* --- from the board --- */

/** Begins a message on a channel; false where there is no room now. */
static bool begin(node *n, uint8_t channel, uint32_t kind, cbor_out *out) {
  uint8_t *room = wire_reserve(&n->wire, channel);
  if (room == NULL) return false;
  uint32_t most = wire_max_offer(&n->wire);
  *out = (cbor_out){room, 0, most < node_out_payload ? most : node_out_payload};
  out_array(out, 2);
  out_uint(out, kind);
  return true;
}

/** Sends it; what doesn't fit isn't sent, and its place is free again. Nothing here grows with what comes from outside. */
static void end(node *n, const cbor_out *out) { wire_offer_reserved(&n->wire, out_fits(out) ? (uint16_t)out->length : UINT16_MAX); }

static void give_up(node *n) { wire_offer_reserved(&n->wire, UINT16_MAX); }

static void key_text(cbor_out *out, uint32_t key, const char *text) {
  out_key(out, key);
  out_words(out, text);
}

static void key_uint(cbor_out *out, uint32_t key, uint64_t value) {
  out_key(out, key);
  out_uint(out, value);
}

static void key_bytes(cbor_out *out, uint32_t key, const void *bytes, uint32_t length) {
  out_key(out, key);
  out_bytes(out, span_of(bytes, length));
}

static void names_of(cbor_out *out, uint32_t key, const board_thing *things, uint8_t count) {
  out_key(out, key);
  out_array(out, count);
  for (int i = 0; i < count; i++) out_words(out, things[i].name);
}

static void list_words(cbor_out *out, uint32_t key, const char *const *all, uint32_t count) {
  out_key(out, key);
  out_array(out, count);
  for (uint32_t i = 0; i < count; i++) out_words(out, all[i]);
}

static bool send_identify(node *n) {
  static const char *const interfaces[] = {"hypha:host/log@0.1.0",    "hypha:host/clock@0.1.0",    "hypha:host/config@0.1.0", "hypha:host/telemetry@0.1.0",
                                           "hypha:host/sensor@0.1.0", "hypha:host/actuator@0.1.0", "hypha:host/kv@0.1.0",     "hypha:host/messages@0.1.0"};
  static const char *const features[] = {"mutable-globals", "sign-extension", "saturating-conversions", "bulk-memory", "multi-value", "reference-types"};
  cbor_out out;
  if (!begin(n, wire_control, from_identify, &out)) return false;
  trust by = held_trust(&n->held);
  bool fleet = by.root.length > 0, invite = burnt.invite.length > 0;
  out_map(&out, 16u + fleet + invite);
  out_key(&out, 1);
  out_text(&out, n->held.id);
  key_bytes(&out, 2, n->held.key, 32);
  if (fleet) {
    out_key(&out, 3);
    out_text(&out, content_of(by.root.at, root_fleet));
  }
  if (invite) key_bytes(&out, 4, burnt.invite.at, burnt.invite.length);
  key_text(&out, 5, image.version);
  key_text(&out, 6, board.name);
  key_uint(&out, 7, board.flash_bytes);
  key_uint(&out, 8, board.ram_bytes);
  key_uint(&out, 9, flash_slot(0).bytes);
  key_uint(&out, 10, flash_slots);
  key_uint(&out, 11, board.arena_bytes);
  key_uint(&out, 12, flash_inbox().bytes);
  key_uint(&out, 13, records_room() / 2);
  list_words(&out, 14, interfaces, sizeof interfaces / sizeof *interfaces);
  names_of(&out, 15, board.sensors, board.sensor_count);
  names_of(&out, 16, board.actuators, board.actuator_count);
  list_words(&out, 17, features, sizeof features / sizeof *features);
  key_bytes(&out, 18, n->incarnation, sizeof n->incarnation);
  end(n, &out);
  return true;
}

static void write_slot(const node *n, cbor_out *out, uint8_t which) {
  const slot_facts *slot = &n->held.slots.slot[which];
  bool empty = slot->status == slot_empty;
  out_map(out, empty ? 2 : 10);
  key_uint(out, 1, which);
  key_uint(out, 2, slot->status);
  if (empty) return;
  key_bytes(out, 3, slot->digest, 32);
  key_uint(out, 4, slot->bytes);
  key_uint(out, 5, slot->status == slot_receiving ? 0 : slot->bytes);
  out_key(out, 6);
  out_text(out, slot_app(slot));
  out_key(out, 7);
  out_text(out, slot_module(slot));
  key_uint(out, 8, slot->number);
  key_bytes(out, 9, slot->release, 32);
  key_uint(out, 10, slot->epoch);
}

enum { most_risen = 4 };

static void write_risen(const node *n, cbor_out *out) {
  uint32_t count = 0;
  for (int counting = 1; counting >= 0; counting--) {
    if (!counting) out_array(out, count);
    uint32_t done = 0;
    record_type type;
    span app, value;
    for (uint32_t at = 0; done < most_risen && records_next(&n->held.store, &at, &type, &app, &value);) {
      if (type != record_floor || value.length != 12) continue;
      done++;
      if (counting) {
        count++;
        continue;
      }
      out_map(out, 4);
      out_key(out, 1);
      out_text(out, app);
      key_uint(out, 2, load32(value.at + 4));
      key_uint(out, 3, load32(value.at));
      key_uint(out, 4, load32(value.at + 8));
    }
  }
}

static bool send_state(node *n) {
  cbor_out out;
  if (!begin(n, wire_control, from_state, &out)) return false;
  const cell *c = &n->cell;
  trust by = held_trust(&n->held);
  out_map(&out, c->paused_known ? 9 : 8);
  key_uint(&out, 1, by.root.length > 0 ? number_of(by.root.at, root_version) : 0);
  key_uint(&out, 2, by.directive.length > 0 ? number_of(by.directive.at, directive_version) : 0);
  out_key(&out, 3);
  out_array(&out, flash_slots);
  for (uint8_t i = 0; i < flash_slots; i++) write_slot(n, &out, i);
  out_key(&out, 4);
  write_risen(n, &out);
  out_key(&out, 5);
  bool active = n->held.slots.active != no_slot;
  out_array(&out, active);
  if (active) {
    out_map(&out, c->error != code_ok ? 5 : 4);
    key_uint(&out, 1, n->held.slots.active);
    key_uint(&out, 2, c->status);
    key_uint(&out, 3, c->restarts);
    key_uint(&out, 4, c->turns);
    if (c->error != code_ok) key_text(&out, 5, code_text(c->error));
  }
  if (c->paused_known) key_uint(&out, 6, c->paused_ms);
  key_uint(&out, 7, board_millis());
  key_uint(&out, 8, (uint64_t)(n->ring.counted - n->ring.first));
  key_uint(&out, 9, n->ring.dropped);
  end(n, &out);
  return true;
}

/** What its slots hold of the firmware itself. */
static bool send_firmware(node *n) {
  cbor_out out;
  if (!begin(n, wire_control, from_firmware, &out)) return false;
  firmware_facts facts = firmware_read(&n->held);
  uint8_t runs = n->held.firmware;
  out_map(&out, 3);
  key_uint(&out, 1, runs);
  key_uint(&out, 2, flash_firmware(0).bytes);
  out_key(&out, 3);
  out_array(&out, 2);
  for (uint8_t i = 0; i < 2; i++) {
    const firmware_slot *slot = &facts.slot[i];
    uint8_t status = i == runs && n->held.firmware_trial ? slot_trial : slot->status;
    bool known = slot->bytes > 0, released = slot->epoch > 0;
    out_map(&out, 2 + (known ? 2 : 0) + (released ? 4 : 0));
    key_uint(&out, 1, i);
    key_uint(&out, 2, status);
    if (known) {
      key_bytes(&out, 3, slot->digest, 32);
      key_uint(&out, 4, slot->bytes);
    }
    if (!released) continue;
    key_text(&out, 6, "hypha-firmware");
    key_uint(&out, 8, slot->number);
    key_bytes(&out, 9, slot->release, 32);
    key_uint(&out, 10, slot->epoch);
  }
  end(n, &out);
  return true;
}

static bool send_held(node *n) {
  cbor_out out;
  if (!begin(n, wire_control, from_held, &out)) return false;
  out_map(&out, 3);
  key_uint(&out, 1, n->held_number);
  key_uint(&out, 2, n->held_at);
  out_key(&out, 3);
  out_bool(&out, n->held_complete);
  end(n, &out);
  return true;
}

static bool send_refusal(node *n, const refusal *what) {
  cbor_out out;
  if (!begin(n, wire_control, from_refused, &out)) return false;
  out_map(&out, what->has_number ? 3 : 2);
  key_uint(&out, 1, what->of);
  if (what->has_number) key_uint(&out, 2, what->number);
  key_text(&out, 3, code_text(what->why));
  end(n, &out);
  return true;
}

/** The first 16 bytes of a MAC under the session key. */
static void session_mac(const node *n, span bytes, uint8_t out[32]) {
  hmac mac;
  hmac_begin(&mac, span_of(n->session_key, 32));
  hmac_add(&mac, bytes.at, bytes.length);
  hmac_end(&mac, out);
}

static bool send_session(node *n) {
  cbor_out out;
  if (!begin(n, wire_control, from_session, &out)) return false;
  uint8_t proof[32];
  session_mac(n, SPAN_TEXT("hypha-board-proof"), proof);
  out_map(&out, 2);
  key_bytes(&out, 1, n->session_peer, 32);
  key_bytes(&out, 2, proof, 16);
  end(n, &out);
  return true;
}

static bool send_report(node *n) {
  cbor_out out;
  const slot_facts *slot = slots_active(&n->held.slots);
  // Samples are somebody's: those of a module that is gone wait for the next one, or go with the oldest.
  if (!n->has_time || !ring_waits(&n->ring) || (slot == NULL && n->ring.series_count > 0)) return false;
  if (!begin(n, wire_telemetry, from_report, &out)) return false;
  ring_about about = {.incarnation = n->incarnation, .home = n->held.id, .offset_ms = n->cell.offset_ms};
  if (slot != NULL) {
    about.app = slot_app(slot);
    about.module = slot_module(slot);
  }
  // Beside the body: the map, its key and the head of its bytes before it, the MAC and its key behind.
  enum { before = 6, behind = 18 };
  cbor_out body = {out.at + out.length + before, 0, out.room - out.length - before - behind};
  if (!ring_report(&n->ring, &about, &body, body.room)) {
    give_up(n);
    return false;
  }
  out_map(&out, n->has_session ? 2 : 1);
  out_key(&out, 1);
  out_head(&out, 2, body.length);
  memmove(out.at + out.length, body.at, body.length);
  span written = span_of(out.at + out.length, body.length);
  out.length += body.length;
  if (n->has_session) {
    uint8_t mac[32];
    session_mac(n, written, mac);
    key_bytes(&out, 2, mac, 16);
  }
  end(n, &out);
  return true;
}

void messages_send(node *n) {
  if (n->identify_owed && send_identify(n)) n->identify_owed = false;
  if (n->identify_owed) return;
  if (n->state_owed && board_millis() - n->state_at >= 1000 && send_state(n)) {
    n->state_owed = false;
    n->state_at = board_millis();
  }
  if (firmware_can_change() && n->firmware_owed && send_firmware(n)) n->firmware_owed = false;
  if (n->held_owed && send_held(n)) n->held_owed = false;
  if (n->session_owed && send_session(n)) n->session_owed = false;
  while (n->refusal_count > 0 && send_refusal(n, &n->refusals[0])) {
    n->refusal_count--;
    memmove(n->refusals, n->refusals + 1, n->refusal_count * sizeof *n->refusals);
  }
  while (send_report(n)) continue;
}

/* --- to the board --- */

static void take_time(node *n, cbor fields) {
  n->cell.offset_ms = cbor_wide(cbor_get(fields, 1)) - board_millis();
  n->has_time = true;
}

static void take_offer(node *n, cbor fields) {
  uint32_t number = number_of(fields, 1);
  transfer_offer offer;
  // It is kept in flash as it is: also what lies between its fields.
  memset(&offer, 0, sizeof offer);
  offer.what = (uint8_t)number_of(fields, 2);
  memcpy(offer.digest, content_of(fields, 3).at, 32);
  offer.size = number_of(fields, 4);
  offer.is_patch = number_of(fields, 5) == 1;
  cbor base = cbor_get(fields, 6);
  offer.has_base = cbor_there(base);
  if (offer.has_base) memcpy(offer.base, cbor_content(base).at, 32);
  offer.wire_size = number_of(fields, 7);
  uint32_t at;
  bool complete;
  code found = transfer_begin(&n->held, number, &offer, &at, &complete);
  if (found != code_ok) return node_refuse(n, of_transfer, &number, found);
  // What is whole already is judged before anything is said of it.
  if (transfer_is_whole(&n->held)) return;
  n->held_owed = true;
  n->held_number = number;
  n->held_at = at;
  n->held_complete = complete;
}

static void take_piece(node *n, cbor fields) {
  enum { tell_every = 4096 };
  uint32_t number = number_of(fields, 1);
  transfer *t = &n->held.transfer;
  bool open = t->open && t->number == number;
  code found = transfer_add(&n->held, number, number_of(fields, 2), content_of(fields, 3));
  // Pieces of what was refused are still under way.
  if (!open) return;
  if (found != code_ok) return node_refuse(n, of_transfer, &number, found);
  uint32_t durable = transfer_durable(&n->held);
  if (transfer_is_whole(&n->held) || durable - t->told < tell_every) return;
  t->told = durable;
  n->held_owed = true;
  n->held_number = number;
  n->held_at = durable;
  n->held_complete = false;
}

static void take_ack(node *n, cbor fields) {
  if (memcmp(content_of(fields, 1).at, n->incarnation, 8) == 0) ring_ack(&n->ring, cbor_wide(cbor_get(fields, 2)));
}

static void take_session(node *n, cbor fields) {
  uint8_t shared[32];
  span peer = content_of(fields, 1);
  n->has_session = x25519_shared(shared, n->held.seed, peer.at);
  if (!n->has_session) return node_refuse(n, of_session, NULL, code_box_key_invalid);
  memcpy(n->session_peer, peer.at, 32);
  sha256 hash;
  sha256_begin(&hash);
  sha256_add(&hash, "hypha-board-session", 19);
  sha256_add(&hash, shared, 32);
  sha256_add(&hash, peer.at, 32);
  sha256_add(&hash, n->held.key, 32);
  sha256_end(&hash, n->session_key);
  n->session_owed = true;
  // What was said before bears no MAC, or one of another session, and wasn't taken. [S 8.13]
  ring_rewind(&n->ring);
}

static double float_of(cbor item) {
  if (!cbor_there(item)) return 0;
  if (cbor_major(item) == cbor_uint) return (double)cbor_wide(item);
  if (cbor_major(item) == cbor_negative) return -1.0 - (double)cbor_wide(item);
  double value = 0;
  uint64_t bits = cbor_wide(item);
  if (*item == 0xfb) memcpy(&value, &bits, sizeof value);
  return value;
}

static const board_thing *find_thing(const board_thing *things, uint8_t count, span name) {
  for (int i = 0; i < count; i++)
    if (strlen(things[i].name) == name.length && memcmp(things[i].name, name.at, name.length) == 0) return &things[i];
  return NULL;
}

static void take_call(node *n, cbor fields) {
  bool reads = number_of(fields, 2) == 0;
  span name = content_of(fields, 3);
  const board_thing *thing = reads ? find_thing(board.sensors, board.sensor_count, name) : find_thing(board.actuators, board.actuator_count, name);
  double value = 0;
  int outcome = thing == NULL ? 1 : reads ? thing->read(&value) : thing->set(float_of(cbor_get(fields, 4)));
  cbor_out out;
  if (!begin(n, wire_inputs, from_answer, &out)) return;
  bool with_value = reads && outcome == 0;
  out_map(&out, with_value ? 3 : 2);
  key_uint(&out, 1, number_of(fields, 1));
  key_uint(&out, 2, (uint32_t)outcome);
  if (with_value) {
    out_key(&out, 3);
    out_float(&out, value);
  }
  end(n, &out);
}

static void take_input(node *n, cbor fields) {
  span source = content_of(fields, 1);
  uint64_t number = cbor_wide(cbor_get(fields, 2));
  span handled = records_get(&n->held.store, record_input, source);
  uint64_t highest = 0;
  if (handled.length == 8) memcpy(&highest, handled.at, 8);
  const slot_facts *slot = slots_active(&n->held.slots);
  bool ours = slot != NULL && span_equal(slot_app(slot), content_of(fields, 3)) && span_equal(slot_module(slot), content_of(fields, 4));
  bool ok = number <= highest && handled.length == 8;
  if (!ok && ours) {
    ok = cell_deliver(&n->cell, content_of(fields, 6), content_of(fields, 7));
    span value = span_of(&number, 8);
    records_put(&n->held.store, record_input, source, &value, 1);
  }
  if (!ours) return node_refuse(n, of_input, NULL, code_rules_order);
  uint8_t room[160];
  cbor_out out = {room, 0, sizeof room};
  out_array(&out, 2);
  out_uint(&out, 3);
  out_map(&out, 6);
  for (uint32_t key = 1; key <= 3; key++) {
    out_key(&out, key);
    out_text(&out, key == 3 ? n->held.id : content_of(fields, key + 2));
  }
  key_bytes(&out, 4, source.at, 8);
  key_uint(&out, 5, number);
  key_uint(&out, 6, ok ? 0 : 1);
  if (out_fits(&out)) ring_entry(&n->ring, board_millis(), span_of(room, out.length));
  ring_keep(&n->ring);
}

static void take(node *n, span payload) {
  if (cbor_check(payload, CBOR_NO_TAG) != code_ok || cbor_major(payload.at) != cbor_array || cbor_argument(payload.at) != 2) {
    n->unread++;
    return;
  }
  cbor kind = cbor_first(payload.at), fields = cbor_next(kind);
  if (cbor_major(kind) != cbor_uint || cbor_wide(kind) >= to_kinds || check_shape(fields, kinds[cbor_argument(kind)]) != code_ok) {
    n->unread++;
    return;
  }
  switch (cbor_argument(kind)) {
    case to_time: return take_time(n, fields);
    case to_offer: return take_offer(n, fields);
    case to_piece: return take_piece(n, fields);
    case to_abandon:
      if (n->held.transfer.number == number_of(fields, 1)) n->held.transfer.open = false;
      return;
    case to_activation: return node_activate(n, fields);
    case to_ack: return take_ack(n, fields);
    case to_session: return take_session(n, fields);
    case to_input: return take_input(n, fields);
    default: return take_call(n, fields);
  }
}

void messages_take(node *n) {
  for (uint8_t channel = 0; channel < wire_channels; channel++) {
    uint16_t length;
    // Only what can be answered is taken: what waits is held back by the window. [S 6]
    while (n->refusal_count < node_refusals && !n->held_owed && !transfer_is_whole(&n->held)) {
      if (channel == wire_inputs) {
        if (wire_reserve(&n->wire, wire_inputs) == NULL) break;
        give_up(n);
      }
      const uint8_t *payload = wire_peek(&n->wire, channel, &length);
      if (payload == NULL) break;
      take(n, span_of(payload, length));
      wire_take(&n->wire, channel);
    }
  }
}
