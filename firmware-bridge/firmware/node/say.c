#include "../boot/image.h"
#include "../burnt.h"
#include "../trust/sha256.h"
#include "../update/firmware.h"
#include "message.h"

/* What is owed to the bridge. */

/** A half of what there is: one is under way while the next is written. */
enum { most_report = node_out_bytes / 2 };

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

static void write_identify(const node *n, cbor_out *out) {
  static const char *const interfaces[] = {"hypha:host/log@0.1.0",    "hypha:host/clock@0.1.0",    "hypha:host/config@0.1.0", "hypha:host/telemetry@0.1.0",
                                           "hypha:host/sensor@0.1.0", "hypha:host/actuator@0.1.0", "hypha:host/kv@0.1.0",     "hypha:host/messages@0.1.0"};
  static const char *const features[] = {"mutable-globals", "sign-extension", "saturating-conversions", "bulk-memory", "multi-value", "reference-types"};
  trust by = held_trust(&n->held);
  bool fleet = by.root.length > 0, invite = burnt.invite.length > 0;
  out_map(out, 16u + fleet + invite);
  field_text(out, 1, n->held.id);
  span key = held_key(&n->held);
  field_bytes(out, 2, span_of(key.at + key.length / 2, key.length / 2));
  if (fleet) field_text(out, 3, content_of(by.root.at, root_fleet));
  if (invite) field_bytes(out, 4, burnt.invite);
  field_words(out, 5, image.version);
  field_words(out, 6, board.name);
  field_uint(out, 7, board.flash_bytes);
  field_uint(out, 8, board.ram_bytes);
  field_uint(out, 9, flash_slot(0).bytes);
  field_uint(out, 10, flash_slots);
  field_uint(out, 11, board.arena_bytes);
  field_uint(out, 12, flash_inbox().bytes);
  field_uint(out, 13, records_room() / 2);
  list_words(out, 14, interfaces, sizeof interfaces / sizeof *interfaces);
  names_of(out, 15, board.sensors, board.sensor_count);
  names_of(out, 16, board.actuators, board.actuator_count);
  list_words(out, 17, features, sizeof features / sizeof *features);
  field_bytes(out, 18, span_of(n->incarnation, sizeof n->incarnation));
}

static void write_slot(const node *n, cbor_out *out, uint8_t which) {
  const slot_facts *slot = &n->held.slots.slot[which];
  bool empty = slot->status == slot_empty;
  out_map(out, empty ? 2 : 10);
  field_uint(out, 1, which);
  field_uint(out, 2, slot->status);
  if (empty) return;
  field_bytes(out, 3, span_of(slot->digest, 32));
  field_uint(out, 4, slot->bytes);
  field_uint(out, 5, slot->status == slot_receiving ? 0 : slot->bytes);
  field_text(out, 6, slot_app(slot));
  field_text(out, 7, slot_module(slot));
  field_uint(out, 8, slot->number);
  field_bytes(out, 9, span_of(slot->release, 32));
  field_uint(out, 10, slot->epoch);
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
      field_text(out, 1, app);
      field_uint(out, 2, load32(value.at + 4));
      field_uint(out, 3, load32(value.at));
      field_uint(out, 4, load32(value.at + 8));
    }
  }
}

static void write_state(const node *n, cbor_out *out) {
  const cell *c = &n->cell;
  trust by = held_trust(&n->held);
  out_map(out, c->paused_known ? 9 : 8);
  field_uint(out, 1, by.root.length > 0 ? number_of(by.root.at, root_version) : 0);
  field_uint(out, 2, by.directive.length > 0 ? number_of(by.directive.at, directive_version) : 0);
  out_key(out, 3);
  out_array(out, flash_slots);
  for (uint8_t i = 0; i < flash_slots; i++) write_slot(n, out, i);
  out_key(out, 4);
  write_risen(n, out);
  out_key(out, 5);
  bool active = n->held.slots.active != no_slot;
  out_array(out, active);
  if (active) {
    out_map(out, c->error != code_ok ? 5 : 4);
    field_uint(out, 1, n->held.slots.active);
    field_uint(out, 2, c->status);
    field_uint(out, 3, c->restarts);
    field_uint(out, 4, c->turns);
    if (c->error != code_ok) field_words(out, 5, code_text(c->error));
  }
  if (c->paused_known) field_uint(out, 6, c->paused_ms);
  field_uint(out, 7, board_millis());
  field_uint(out, 8, (uint64_t)(n->ring.counted - n->ring.first));
  field_uint(out, 9, n->ring.dropped);
}

/** What its slots hold of the firmware itself. */
static void write_firmware(const node *n, cbor_out *out) {
  firmware_facts facts = firmware_read(&n->held);
  uint8_t runs = n->held.firmware;
  out_map(out, 3);
  field_uint(out, 1, runs);
  field_uint(out, 2, flash_firmware(0).bytes);
  out_key(out, 3);
  out_array(out, 2);
  for (uint8_t i = 0; i < 2; i++) {
    const firmware_slot *slot = &facts.slot[i];
    uint8_t status = i == runs && n->held.firmware_trial ? slot_trial : slot->status;
    bool known = slot->bytes > 0, released = slot->epoch > 0;
    out_map(out, 2 + (known ? 2 : 0) + (released ? 4 : 0));
    field_uint(out, 1, i);
    field_uint(out, 2, status);
    if (known) {
      field_bytes(out, 3, span_of(slot->digest, 32));
      field_uint(out, 4, slot->bytes);
    }
    if (!released) continue;
    field_words(out, 6, "hypha-firmware");
    field_uint(out, 8, slot->number);
    field_bytes(out, 9, span_of(slot->release, 32));
    field_uint(out, 10, slot->epoch);
  }
}

static void write_held(const node *n, cbor_out *out) {
  out_map(out, 3);
  field_uint(out, 1, n->held_number);
  field_uint(out, 2, n->held_at);
  out_key(out, 3);
  out_bool(out, n->held_complete);
}

static void write_refusal(const node *n, cbor_out *out) {
  const refusal *what = &n->refusals[0];
  out_map(out, what->has_number ? 3 : 2);
  field_uint(out, 1, what->of);
  if (what->has_number) field_uint(out, 2, what->number);
  field_words(out, 3, code_text(what->why));
}

/** The first 16 bytes of a MAC under the session key. */
static void session_mac(const node *n, span bytes, uint8_t out[32]) {
  hmac mac;
  hmac_begin(&mac, span_of(n->session_key, 32));
  hmac_add(&mac, bytes.at, bytes.length);
  hmac_end(&mac, out);
}

static void write_session(const node *n, cbor_out *out) {
  uint8_t proof[32];
  session_mac(n, SPAN_TEXT("hypha-board-proof"), proof);
  out_map(out, 2);
  field_bytes(out, 1, span_of(n->session_peer, 32));
  field_bytes(out, 2, span_of(proof, 16));
}

static bool send_report(node *n) {
  cbor_out out;
  const slot_facts *slot = slots_active(&n->held.slots);
  // Samples are somebody's: those of a module that is gone wait for the next one, or go with the oldest.
  if (!n->has_time || !ring_waits(&n->ring) || (slot == NULL && n->ring.series_count > 0)) return false;
  if (!message_begin(n, wire_telemetry, from_report, most_report, &out)) return false;
  ring_about about = {.incarnation = n->incarnation, .home = n->held.id, .offset_ms = n->cell.offset_ms};
  if (slot != NULL) {
    about.app = slot_app(slot);
    about.module = slot_module(slot);
    about.paused_ms = n->cell.paused_known ? n->cell.paused_ms + 1 : 0;
  }
  // Beside the body: the map, its key and the head of its bytes before it, the MAC and its key behind.
  enum { before = 6, behind = 18 };
  cbor_out body = {out.at + out.length + before, 0, out.room - out.length - before - behind};
  if (!ring_report(&n->ring, &about, &body, body.room)) {
    message_give_up(n);
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
    field_bytes(&out, 2, span_of(mac, 16));
  }
  message_end(n, &out);
  return true;
}

static bool say(node *n, bool *owed, uint32_t kind, void (*write)(const node *n, cbor_out *out)) {
  if (*owed && message_send(n, kind, write)) *owed = false;
  return !*owed;
}

/* Each part of a round keeps its variables off the stack of the others. */
__attribute__((noinline)) void node_say(node *n) {
  if (!say(n, &n->identify_owed, from_identify, write_identify)) return;
  if (n->state_owed && board_millis() - n->state_at >= 1000) {
    if (!say(n, &n->state_owed, from_state, write_state)) return;
    n->state_at = board_millis();
  }
  if (firmware_can_change() && !say(n, &n->firmware_owed, from_firmware, write_firmware)) return;
  if (!say(n, &n->held_owed, from_held, write_held) || !say(n, &n->session_owed, from_session, write_session)) return;
  while (n->refusal_count > 0) {
    if (!message_send(n, from_refused, write_refusal)) return;
    n->refusal_count--;
    memmove(n->refusals, n->refusals + 1, n->refusal_count * sizeof *n->refusals);
  }
  // Only now: reports would take the room that another of these waits for.
  while (send_report(n)) continue;
}
