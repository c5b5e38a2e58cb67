#include "host.h"

#include "../trust/metadata.h"

static span of(struct host_bytes bytes) { return span_of(bytes.data, bytes.length); }
static struct host_bytes bytes_of(span from) { return (struct host_bytes){from.at, from.length}; }

static cbor spec_of(const cell *c) {
  span release = slot_release(&c->held->slots, c->held->slots.active);
  return cbor_get(release_module(release.at, slot_module(slots_active(&c->held->slots))), module_spec);
}

/** The head of an entry of an instance: its kind, how many fields, who. */
static cbor_out begin_entry(const cell *c, uint8_t *room, uint32_t most, uint32_t kind, uint32_t fields) {
  const slot_facts *slot = slots_active(&c->held->slots);
  cbor_out out = {room, 0, most};
  out_array(&out, 2);
  out_uint(&out, kind);
  out_map(&out, fields + 3);
  write_who(&out, slot_app(slot), slot_module(slot), c->held->id);
  return out;
}

static bool add_entry(cell *c, const cbor_out *out) { return out_fits(out) && ring_entry(c->ring, board_millis(), span_of(out->at, out->length)); }

enum { entry_log, entry_event, entry_message, most_entry = 512, most_line = 256 };

static void log_write(void *host, enum host_level level, struct host_bytes message) {
  cell *c = host;
  uint8_t room[most_entry];
  cbor_out out = begin_entry(c, room, sizeof room, entry_log, 2);
  field_uint(&out, 4, level);
  out_key(&out, 5);
  uint32_t length = message.length < most_line ? message.length : most_line;
  // Cut where a character begins.
  while (length > 0 && length < message.length && (message.data[length] & 0xc0) == 0x80) length--;
  out_text(&out, span_of(message.data, length));
  add_entry(c, &out);
}

void report_event(cell *c, code why, const char *text) {
  uint8_t room[most_entry];
  const slot_facts *slot = slots_active(&c->held->slots);
  cbor_out out = {room, 0, sizeof room};
  out_array(&out, 2);
  out_uint(&out, entry_event);
  out_map(&out, slot != NULL ? 5 : 2);
  if (slot != NULL) write_who(&out, slot_app(slot), slot_module(slot), c->held->id);
  field_words(&out, 4, code_text(why));
  field_words(&out, 5, text);
  add_entry(c, &out);
  ring_keep(c->ring);
}

static uint64_t clock_now(void *host) { return ((cell *)host)->offset_ms + board_millis(); }

static uint64_t clock_monotonic(void *host) {
  (void)host;
  return board_nanos();
}

/** The value of a text in a dictionary; none where it isn't there. */
static cbor find_text(cbor dictionary, span key) {
  if (!cbor_there(dictionary)) return NULL;
  cbor at = cbor_first(dictionary);
  for (uint32_t left = cbor_argument(dictionary); left > 0; left--) {
    cbor value = cbor_next(at);
    if (span_equal(cbor_content(at), key)) return value;
    at = cbor_next(value);
  }
  return NULL;
}

/** The operator's setting, in the directive, before what the release says. Sealed ones a board can't open. */
static bool config_get(void *host, struct host_bytes key, struct host_bytes *value) {
  const cell *c = host;
  const slot_facts *slot = slots_active(&c->held->slots);
  trust by = held_trust(c->held);
  cbor section = trust_section_of(&by, slot_app(slot), slot->epoch);
  if (cbor_there(section)) {
    cbor setting = find_text(cbor_get(cbor_first(cbor_get(section, section_instances)), instance_config), of(key));
    if (cbor_there(setting)) {
      cbor kind = cbor_first(setting);
      if (cbor_argument(kind) != 0) return false;
      *value = bytes_of(content_of(cbor_next(kind), 1));
      return true;
    }
  }
  cbor found = find_text(cbor_get(spec_of(c), spec_config), of(key));
  if (!cbor_there(found)) return false;
  *value = bytes_of(cbor_content(found));
  return true;
}

/** Whether one more of so many a second may be. */
static bool within(cell *c, uint32_t *count, uint32_t limit_key) {
  uint32_t second = board_millis() / 1000;
  if (second != c->second) {
    c->second = second;
    c->emitted = c->published = 0;
  }
  return ++*count <= number_of(cbor_get(spec_of(c), spec_limits), limit_key);
}

static bool is_metric(span name) {
  if (name.length == 0 || name.length > ring_metric) return false;
  for (uint32_t i = 0; i < name.length; i++) {
    uint8_t b = name.at[i];
    bool word = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_';
    if (!word && (i == 0 || (b != '.' && b != '-'))) return false;
  }
  return true;
}

static enum host_telemetry_answer telemetry_emit(void *host, struct host_bytes metric, double value) {
  cell *c = host;
  if (!is_metric(of(metric))) return host_telemetry_invalid_metric;
  if (!within(c, &c->emitted, limits_telemetry)) return host_telemetry_throttled;
  uint32_t epoch = slots_active(&c->held->slots)->epoch;
  return ring_sample(c->ring, board_millis(), epoch, of(metric), value) ? host_telemetry_ok : host_telemetry_too_many_metrics;
}

const board_thing *find_thing(const board_thing *things, uint32_t count, span name) {
  for (uint32_t i = 0; i < count; i++)
    if (span_equal(span_of(things[i].name, (uint32_t)strlen(things[i].name)), name)) return &things[i];
  return NULL;
}

static bool name_at(const board_thing *things, uint32_t count, uint32_t index, struct host_bytes *name) {
  if (index >= count) return false;
  *name = (struct host_bytes){(const uint8_t *)things[index].name, (uint32_t)strlen(things[index].name)};
  return true;
}

static enum host_sensor_answer sensor_read(void *host, struct host_bytes name, double *value) {
  (void)host;
  const board_thing *thing = find_thing(board.sensors, board.sensor_count, of(name));
  return thing == NULL ? host_sensor_unknown : (enum host_sensor_answer)thing->read(value);
}

static bool sensor_name(void *host, uint32_t index, struct host_bytes *name) {
  (void)host;
  return name_at(board.sensors, board.sensor_count, index, name);
}

static enum host_actuator_answer actuator_set(void *host, struct host_bytes name, double value) {
  (void)host;
  const board_thing *thing = find_thing(board.actuators, board.actuator_count, of(name));
  return thing == NULL ? host_actuator_unknown : (enum host_actuator_answer)thing->set(value);
}

static bool actuator_name(void *host, uint32_t index, struct host_bytes *name) {
  (void)host;
  return name_at(board.actuators, board.actuator_count, index, name);
}

/* --- kv. A value carries a byte in front, since a record without a value deletes. What a turn writes waits in `pending`: key's length, value's length (16 bits), key, value. --- */

enum { pending_head = 3, deleted = 0xffff, most_key = 96 };

typedef struct {
  span key, value;
  bool is_deleted;
  uint32_t next;
} pending_write;

static bool pending_at(const cell *c, uint32_t at, pending_write *out) {
  if (at >= c->pending_used) return false;
  const uint8_t *head = c->pending + at;
  uint32_t length = (uint32_t)head[1] | (uint32_t)head[2] << 8;
  out->is_deleted = length == deleted;
  if (out->is_deleted) length = 0;
  out->key = span_of(head + pending_head, head[0]);
  out->value = span_of(head + pending_head + head[0], length);
  out->next = at + pending_head + head[0] + length;
  return true;
}

/** The last that was written of a key in this turn. */
static bool find_pending(const cell *c, span key, pending_write *out) {
  bool found = false;
  pending_write each;
  for (uint32_t at = 0; pending_at(c, at, &each); at = each.next)
    if (span_equal(each.key, key)) {
      *out = each;
      found = true;
    }
  return found;
}

static bool add_pending(cell *c, span key, span value, bool is_deleted) {
  if (pending_head + key.length + value.length > pending_bytes - c->pending_used) return false;
  uint8_t *head = c->pending + c->pending_used;
  uint32_t length = is_deleted ? (uint32_t)deleted : value.length;
  head[0] = (uint8_t)key.length;
  head[1] = (uint8_t)length;
  head[2] = (uint8_t)(length >> 8);
  memcpy(head + pending_head, key.at, key.length);
  if (value.length > 0) memcpy(head + pending_head + key.length, value.at, value.length);
  c->pending_used += pending_head + key.length + value.length;
  return true;
}

/** A record's name: app, module, key, each behind a zero but the first. */
static span kv_name(const cell *c, uint8_t room[most_record_name], span key) {
  const slot_facts *slot = slots_active(&c->held->slots);
  uint32_t length = 0;
  memcpy(room, slot->app, slot->app_length);
  length += slot->app_length;
  room[length++] = 0;
  memcpy(room + length, slot->module, slot->module_length);
  length += slot->module_length;
  room[length++] = 0;
  if (key.length > 0) memcpy(room + length, key.at, key.length);
  return span_of(room, length + key.length);
}

static bool kv_get(void *host, struct host_bytes key, struct host_bytes *value) {
  const cell *c = host;
  pending_write written;
  if (key.length > most_key) return false;
  if (find_pending(c, of(key), &written)) {
    *value = bytes_of(written.value);
    return !written.is_deleted;
  }
  uint8_t room[most_record_name];
  span found = records_get(&c->held->store, record_kv, kv_name(c, room, of(key)));
  if (found.length == 0) return false;
  *value = (struct host_bytes){found.at + 1, found.length - 1};
  return true;
}

/** Bytes of kv that the instance has, by what the store keeps. */
static uint32_t kv_used(const cell *c) {
  uint8_t room[most_record_name];
  span prefix = kv_name(c, room, (span){NULL, 0}), name, value;
  uint32_t used = c->pending_used;
  record_type type;
  for (uint32_t at = 0; records_next(&c->held->store, &at, &type, &name, &value);)
    if (type == record_kv && name.length >= prefix.length && memcmp(name.at, prefix.at, prefix.length) == 0) used += name.length - prefix.length + value.length - 1;
  return used;
}

static enum host_kv_answer kv_set(void *host, struct host_bytes key, struct host_bytes value) {
  cell *c = host;
  if (key.length > most_key) return host_kv_key_too_long;
  uint64_t most = number_of(cbor_get(spec_of(c), spec_limits), limits_kv);
  // Half of a bank is for what the board itself must keep.
  if (most > records_room() / 2) most = records_room() / 2;
  if (kv_used(c) + key.length + value.length > most) return host_kv_quota;
  return add_pending(c, of(key), of(value), false) ? host_kv_ok : host_kv_quota;
}

static void kv_delete(void *host, struct host_bytes key) {
  cell *c = host;
  struct host_bytes held_value;
  if (kv_get(host, key, &held_value) && !add_pending(c, of(key), (span){NULL, 0}, true)) {
    // A turn with more writes than there is room for: those so far go to flash before it ends.
    if (host_keep(c) == code_ok) add_pending(c, of(key), (span){NULL, 0}, true);
  }
}

static int compare(span a, span b) {
  uint32_t least = a.length < b.length ? a.length : b.length;
  int found = least > 0 ? memcmp(a.at, b.at, least) : 0;
  return found != 0 ? found : a.length < b.length ? -1 : a.length > b.length;
}

static bool has_prefix(span key, span prefix) { return key.length >= prefix.length && (prefix.length == 0 || memcmp(key.at, prefix.at, prefix.length) == 0); }

/** The least key above another one (`after` without bytes at all: the first), of those in flash and those written in this turn. */
static bool next_key(const cell *c, span prefix, span after, span *out) {
  uint8_t room[most_record_name];
  span all = kv_name(c, room, (span){NULL, 0}), name, value;
  bool found = false;
  record_type type;
  pending_write written;
  for (uint32_t at = 0; records_next(&c->held->store, &at, &type, &name, &value);) {
    if (type != record_kv || !has_prefix(name, all)) continue;
    span key = span_of(name.at + all.length, name.length - all.length);
    if (find_pending(c, key, &written) && written.is_deleted) continue;
    if (has_prefix(key, prefix) && (after.at == NULL || compare(key, after) > 0) && (!found || compare(key, *out) < 0)) *out = key, found = true;
  }
  pending_write each;
  for (uint32_t at = 0; pending_at(c, at, &each); at = each.next) {
    if (find_pending(c, each.key, &written) && written.is_deleted) continue;
    if (has_prefix(each.key, prefix) && (after.at == NULL || compare(each.key, after) > 0) && (!found || compare(each.key, *out) < 0)) *out = each.key, found = true;
  }
  return found;
}

static bool kv_key(void *host, struct host_bytes prefix, uint32_t index, struct host_bytes *key) {
  span at = {NULL, 0};
  for (uint32_t i = 0; i <= index; i++)
    if (!next_key(host, of(prefix), at, &at)) return false;
  *key = bytes_of(at);
  return true;
}

code host_keep(cell *c) {
  pending_write each;
  uint32_t used = c->pending_used;
  c->pending_used = 0;
  for (uint32_t at = 0; at < used; at = each.next) {
    c->pending_used = used;
    pending_at(c, at, &each);
    c->pending_used = 0;
    uint8_t room[most_record_name];
    static const uint8_t mark = 1;
    span name = kv_name(c, room, each.key), pieces[2] = {span_of(&mark, 1), each.value};
    TRY(slots_remember(&c->held->slots, &c->held->store, name));
    TRY(each.is_deleted ? records_delete(&c->held->store, record_kv, name) : records_put(&c->held->store, record_kv, name, pieces, 2));
  }
  return code_ok;
}

void host_undo(cell *c) { c->pending_used = 0; }

/* --- messages --- */

/** Whether a filter with + and # takes a topic. */
static bool filter_takes(span filter, span topic) {
  uint32_t f = 0, t = 0;
  for (;;) {
    if (f < filter.length && filter.at[f] == '#') return true;
    if (f < filter.length && filter.at[f] == '+') {
      f++;
      while (t < topic.length && topic.at[t] != '/') t++;
    } else
      while (f < filter.length && t < topic.length && filter.at[f] == topic.at[t] && filter.at[f] != '/') f++, t++;
    bool filter_ends = f == filter.length, topic_ends = t == topic.length;
    if (filter_ends && topic_ends) return true;
    // "a/#" takes "a" too.
    if (topic_ends && f + 2 == filter.length && filter.at[f] == '/' && filter.at[f + 1] == '#') return true;
    if (filter_ends || topic_ends || filter.at[f] != '/' || topic.at[t] != '/') return false;
    f++;
    t++;
  }
}

static bool is_topic(span topic) {
  if (topic.length == 0 || topic.length > 256) return false;
  for (uint32_t i = 0; i < topic.length; i++)
    if (topic.at[i] == '+' || topic.at[i] == '#' || topic.at[i] == 0) return false;
  return true;
}

static enum host_publish_answer messages_publish(void *host, struct host_bytes topic, struct host_bytes payload) {
  cell *c = host;
  if (!is_topic(of(topic))) return host_publish_invalid_topic;
  bool granted = false;
  for EACH(filter, cbor_get(spec_of(c), spec_publish)) granted = granted || filter_takes(cbor_content(filter), of(topic));
  if (!granted) return host_publish_not_granted;
  if (!within(c, &c->published, limits_messages)) return host_publish_throttled;
  uint8_t room[most_entry];
  cbor_out out = begin_entry(c, room, sizeof room, entry_message, 2);
  field_text(&out, 4, of(topic));
  field_bytes(&out, 5, of(payload));
  return add_entry(c, &out) ? host_publish_ok : host_publish_too_long;
}

const struct host_ops node_host = {
    .log_write = log_write,
    .clock_now = clock_now,
    .clock_monotonic = clock_monotonic,
    .config_get = config_get,
    .telemetry_emit = telemetry_emit,
    .sensor_read = sensor_read,
    .sensor_name = sensor_name,
    .actuator_set = actuator_set,
    .actuator_name = actuator_name,
    .kv_get = kv_get,
    .kv_set = kv_set,
    .kv_delete = kv_delete,
    .kv_key = kv_key,
    .messages_publish = messages_publish,
};
