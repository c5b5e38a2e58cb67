#include "../trust/ed25519.h"
#include "../trust/schema.h"
#include "../trust/sha256.h"
#include "../update/firmware.h"
#include "activation.h"
#include "host.h"
#include "message.h"

/* What came from the bridge. */

// By their places in the table of shapes; the messages themselves come first, by their kinds.
enum { s_from_1 = to_kinds, s_u32, s_uint, s_bool, s_id, s_digest, s_eight, s_sixteen, s_bytes, s_name, s_topic, s_two_words, s_three_words, s_four_words, s_any };

static const field time_fields[] = {{1, false, s_uint}};
static const field offer_fields[] = {{1, false, s_from_1}, {2, false, s_four_words}, {3, false, s_digest}, {4, false, s_u32},
                                     {5, false, s_two_words}, {6, true, s_digest}, {7, false, s_u32}};
static const field piece_fields[] = {{1, false, s_from_1}, {2, false, s_u32}, {3, false, s_bytes}};
static const field abandon_fields[] = {{1, false, s_from_1}};
static const field activation_fields[] = {{1, false, s_three_words}, {2, false, s_id}, {3, false, s_from_1}, {4, false, s_digest}};
static const field ack_fields[] = {{1, false, s_eight}, {2, false, s_uint}, {3, true, s_bool}};
static const field session_fields[] = {{1, false, s_digest}, {2, true, s_sixteen}};
static const field input_fields[] = {{1, false, s_eight}, {2, false, s_uint}, {3, false, s_id}, {4, false, s_id}, {5, true, s_id}, {6, false, s_topic}, {7, false, s_bytes}};
static const field call_fields[] = {{1, false, s_from_1}, {2, false, s_two_words}, {3, false, s_name}, {4, true, s_any}};

static const shape shapes[] = {
    [to_time] = RECORD_OF(time_fields),
    [to_offer] = RECORD_OF(offer_fields),
    [to_piece] = RECORD_OF(piece_fields),
    [to_abandon] = RECORD_OF(abandon_fields),
    [to_activation] = RECORD_OF(activation_fields),
    [to_ack] = RECORD_OF(ack_fields),
    [to_session] = RECORD_OF(session_fields),
    [to_input] = RECORD_OF(input_fields),
    [to_call] = RECORD_OF(call_fields),
    [s_from_1] = SHAPE_U32_FROM_1,
    [s_u32] = SHAPE_U32,
    [s_uint] = {.type = is_uint},
    [s_bool] = {.type = is_bool},
    [s_id] = {.type = is_id},
    [s_digest] = {.type = is_exactly, .most = 32},
    [s_eight] = {.type = is_exactly, .most = 8},
    [s_sixteen] = {.type = is_exactly, .most = 16},
    [s_bytes] = {.type = is_bytes, .most = 4096},
    [s_name] = {.type = is_text, .most = 64},
    [s_topic] = {.type = is_text, .most = 512},
    [s_two_words] = {.type = is_one_of, .count = 2},
    [s_three_words] = {.type = is_one_of, .count = 3},
    [s_four_words] = {.type = is_one_of, .count = 4},
    [s_any] = {.type = is_any},
};

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
  span peer = content_of(fields, 1), key = held_key(&n->held);
  n->has_session = key.length == 64 && x25519_shared(shared, key.at, peer.at);
  if (!n->has_session) return node_refuse(n, of_session, NULL, code_box_key_invalid);
  memcpy(n->session_peer, peer.at, 32);
  sha256 hash;
  sha256_begin(&hash);
  sha256_add(&hash, "hypha-board-session", 19);
  sha256_add(&hash, shared, 32);
  sha256_add(&hash, peer.at, 32);
  sha256_add(&hash, key.at + 32, 32);
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

static void take_call(node *n, cbor fields) {
  bool reads = number_of(fields, 2) == 0;
  span name = content_of(fields, 3);
  const board_thing *thing = reads ? find_thing(board.sensors, board.sensor_count, name) : find_thing(board.actuators, board.actuator_count, name);
  double value = 0;
  int outcome = thing == NULL ? 1 : reads ? thing->read(&value) : thing->set(float_of(cbor_get(fields, 4)));
  cbor_out out;
  if (!message_begin(n, wire_inputs, from_answer, most_answer, &out)) return;
  bool with_value = reads && outcome == 0;
  out_map(&out, with_value ? 3 : 2);
  field_uint(&out, 1, number_of(fields, 1));
  field_uint(&out, 2, (uint32_t)outcome);
  if (with_value) {
    out_key(&out, 3);
    out_float(&out, value);
  }
  message_end(n, &out);
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
  write_who(&out, content_of(fields, 3), content_of(fields, 4), n->held.id);
  field_bytes(&out, 4, source);
  field_uint(&out, 5, number);
  field_uint(&out, 6, ok ? 0 : 1);
  if (out_fits(&out)) ring_entry(&n->ring, board_millis(), span_of(room, out.length));
  ring_keep(&n->ring);
}

static void take_activation(node *n, cbor fields) {
  code found = node_activate(n, fields);
  if (found != code_ok) node_refuse(n, of_activation, NULL, found);
}

static void take(node *n, span payload) {
  if (cbor_check(payload, CBOR_NO_TAG) != code_ok || cbor_major(payload.at) != cbor_array || cbor_argument(payload.at) != 2) {
    n->unread++;
    return;
  }
  cbor kind = cbor_first(payload.at), fields = cbor_next(kind);
  if (cbor_major(kind) != cbor_uint || cbor_wide(kind) >= to_kinds || check_shape(fields, shapes, (uint8_t)cbor_argument(kind)) != code_ok) {
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
    case to_activation: return take_activation(n, fields);
    case to_ack: return take_ack(n, fields);
    case to_session: return take_session(n, fields);
    case to_input: return take_input(n, fields);
    default: return take_call(n, fields);
  }
}

__attribute__((noinline)) void node_hear(node *n) {
  for (uint8_t channel = 0; channel < wire_channels; channel++) {
    uint16_t length;
    // Only what can be answered is taken: what waits is held back by the window. [S 6]
    while (n->refusal_count < node_refusals && !n->held_owed && !transfer_is_whole(&n->held)) {
      if (channel == wire_inputs) {
        // A module that is to be started again loses nothing, nor does one that is stopped for the firmware's sake.
        if (n->cell.status == cell_backoff || (firmware_can_change() && n->restart_at > 0)) break;
        if (wire_reserve(&n->wire, wire_inputs, most_answer) == NULL) break;
        message_give_up(n);
      }
      const uint8_t *payload = wire_peek(&n->wire, channel, &length);
      if (payload == NULL) break;
      take(n, span_of(payload, length));
      wire_take(&n->wire, channel);
    }
  }
}
