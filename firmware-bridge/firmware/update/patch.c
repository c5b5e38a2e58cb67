#include "patch_state.h"

/* Steps of the decoder [D 10.3]: each takes a bounded number of bits, and all that it leaves lies in the state. */

enum { stage_length, stage_map_count, stage_map_run, stage_section, stage_body, stage_bytes, stage_same, stage_done };
/** Where a number is coded. */
enum { place_length = 1, place_maps, place_follows, place_section, place_size, place_raw, place_same, place_body, place_action = 16, place_byte = 24 };
enum { action_copy, action_replace, action_insert, action_move };

enum { least_bits = 8, most_bits = 11, most_step_bytes = 192, section_code = 10 };
static const uint32_t most_content = 64u * 1024 * 1024, walk_per_byte = 64, least_walk = 65536;

static uint32_t context(uint32_t place, uint32_t a, uint32_t b) { return place << 24 ^ a << 9 ^ b * 0x9e35u; }

static uint32_t runs_in(const uint8_t *head) { return (uint32_t)head[2] | (uint32_t)head[3] << 8; }

uint32_t patch_state_bytes(const uint8_t head[patch_head_bytes]) {
  if (head[0] != patch_first_byte || head[1] < least_bits || head[1] > most_bits) return 0;
  // What the format grants, counted as every decoder counts it [D 10.1].
  if (816 + (2u << head[1]) + 8 * runs_in(head) > patch_most_state) return 0;
  return (uint32_t)(sizeof(patch) + 8 * runs_in(head) + (2u << head[1]) + 7) & ~7u;
}

patch *patch_begin(void *state, const uint8_t head[patch_head_bytes], span old, patch_emit emit, void *context_) {
  patch *p = state;
  memset(p, 0, sizeof *p);
  p->old = old;
  p->emit = emit;
  p->context = context_;
  p->table_shift = (uint8_t)(32 - head[1]);
  p->most_runs = runs_in(head);
  coder_begin(p);
  return p;
}

static void out(patch *p, uint8_t byte) {
  if (p->failed || p->written >= p->length || !p->emit(p->context, byte)) {
    p->failed = true;
    return;
  }
  p->written++;
  p->two = p->one;
  p->one = byte;
}

static void out_uleb(patch *p, uint32_t value, int pad) {
  for (; value >= 0x80; value >>= 7) out(p, (uint8_t)(value | 0x80));
  out(p, (uint8_t)(pad > 0 ? value | 0x80 : value));
  for (int i = 1; i <= pad; i++) out(p, i < pad ? 0x80 : 0);
}

/** What follows a section. */
static uint8_t next_stage(const patch *p) { return p->written == p->length ? stage_done : stage_section; }

static void code_ends(patch *p) {
  if ((int32_t)p->written != p->section_end) p->failed = true;
  p->stage = next_stage(p);
}

/** A body or section is there as a whole. */
static void part_ends(patch *p) {
  if (p->bodies == 0) {
    p->stage = next_stage(p);
    return;
  }
  p->stage = stage_body;
  if (--p->bodies == 0) code_ends(p);
}

static void begin(patch *p, uint8_t stage, int32_t left) {
  p->left = left;
  p->history = 0xff;
  p->moved = false;
  p->stage = stage;
  if (left == 0) part_ends(p);
}

static void read_length(patch *p) {
  static const uint8_t header[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
  int64_t length = (int64_t)p->old.length + coder_sint(p, context(place_length, 0, 0));
  if (length < 0 || length > most_content) {
    p->failed = true;
    return;
  }
  p->length = (uint32_t)length;
  uint64_t walk = (uint64_t)walk_per_byte * (p->old.length + p->length) + least_walk;
  p->walk_left = walk > INT32_MAX ? INT32_MAX : (int32_t)walk;
  if (coder_bit(p, context(place_raw, 0, 0))) {
    old_open(p, form_raw, 0, (int32_t)p->old.length);
    begin(p, stage_bytes, (int32_t)length);
    return;
  }
  p->next_section = sizeof header;
  for (uint32_t i = 0; i < sizeof header; i++) out(p, header[i]);
  p->stage = stage_map_count;
}

static void map_ends(patch *p) {
  int32_t kind = p->map_kind++;
  if (kind < map_addresses) p->map_ends[kind] = p->maps_used;
  p->stage = kind + 1 == map_end ? next_stage(p) : stage_map_count;
}

static void read_map_count(patch *p) {
  uint32_t count = coder_uint(p, context(place_maps, 0, 0));
  if (count > p->most_runs - (uint32_t)p->maps_used) {
    p->failed = true;
    return;
  }
  p->map_left = (int32_t)count;
  p->map_at = p->map_shift = 0;
  p->stage = stage_map_run;
  if (count == 0) map_ends(p);
}

static void read_map_run(patch *p) {
  uint32_t kind = (uint32_t)p->map_kind;
  int64_t at = (int64_t)p->map_at + coder_uint(p, context(place_maps, 1, kind));
  if (at > INT32_MAX) {
    p->failed = true;
    return;
  }
  p->map_shift = (int32_t)((uint32_t)p->map_shift + (uint32_t)coder_sint(p, context(place_maps, 2, kind)));
  p->map_at = (int32_t)at;
  p->runs[p->maps_used++] = (patch_run){p->map_at, p->map_shift};
  if (--p->map_left == 0) map_ends(p);
}

typedef struct {
  bool there;
  uint8_t id;
  int32_t start, end;
} section;

/** The old section at an offset; none behind the last. */
static section old_section(patch *p, int32_t offset) {
  if (offset < 0 || (uint32_t)offset >= p->old.length) return (section){0};
  uint8_t id = old_byte_at(p, offset);
  p->at = offset + 1;
  uint32_t size = old_uleb(p);
  int64_t left = (int64_t)p->old.length - p->at;
  return size > left ? (section){0} : (section){true, id, p->at, p->at + (int32_t)size};
}

static section find_section(patch *p, uint8_t id) {
  section each = old_section(p, 8);
  while (each.there && each.id != id) each = old_section(p, each.end);
  return each;
}

/** A length from an old one; never more than may still come. */
static int32_t read_size(patch *p, int32_t before, uint32_t sub) {
  int64_t size = (int64_t)before + coder_sint(p, context(place_size, sub, 0));
  if (size >= 0 && size <= p->length - p->written) return (int32_t)size;
  p->failed = true;
  return 0;
}

static void begin_code(patch *p, section old) {
  p->old_bodies = p->next_body_index = 0;
  if (old.there) {
    p->at = old.start;
    p->old_bodies = (int32_t)old_uleb(p);
    p->first_body = p->next_body = p->at;
    p->code_end = old.end;
  }
  p->bodies = read_size(p, p->old_bodies, 4);
  out_uleb(p, (uint32_t)p->bodies, 0);
  p->stage = stage_body;
  if (p->bodies == 0) code_ends(p);
}

static int form_of(uint8_t id) {
  static const uint8_t forms[12] = {[0] = form_names, [3] = form_types, [6] = form_globals, [7] = form_exports, [9] = form_elements, [11] = form_data};
  return id < sizeof forms ? forms[id] : form_raw;
}

static void read_section(patch *p) {
  section expected = old_section(p, p->next_section), old = expected;
  bool follows = expected.there && coder_bit(p, context(place_follows, 0, 0));
  uint8_t id = follows ? expected.id : (uint8_t)coder_tree(p, context(place_section, 0, 0), 4);
  if (!follows) old = id == 0 ? (section){0} : find_section(p, id);
  if (old.there) p->next_section = old.end;
  int32_t before = old.there ? old.end - old.start : 0;
  int form = form_raw;
  if (old.there && id != section_code && form_of(id) != form_raw) form = coder_bit(p, context(place_raw, id, 0)) ? form_raw : form_of(id);
  out(p, id);
  if (old.there && id != section_code) {
    old_open(p, form, old.start, old.end);
    if (coder_bit(p, context(place_same, id, 0))) {
      int32_t size = form == form_raw ? before : old_measure(p);
      out_uleb(p, (uint32_t)size, 0);
      begin(p, stage_same, size);
      return;
    }
  } else old_open(p, form_raw, 0, 0);
  int pad = coder_bit(p, context(place_size, 0, 0)) ? (int)coder_tree(p, context(place_size, 1, 0), 3) : 0;
  int32_t size = read_size(p, before, id == section_code ? 2 : 3);
  out_uleb(p, (uint32_t)size, pad);
  p->section_end = (int32_t)p->written + size;
  if (id == section_code) begin_code(p, old);
  else begin(p, stage_bytes, size);
}

/** Bodies can only be walked forward: one before is looked for from the first on. */
static void seek_body(patch *p, int64_t index) {
  if (index < 0 || index >= p->old_bodies) {
    p->failed = true;
    return;
  }
  if (index < p->next_body_index) {
    p->next_body_index = 0;
    p->next_body = p->first_body;
  }
  for (; p->next_body_index < index; p->next_body_index++) {
    if (--p->walk_left < 0) {
      p->failed = true;
      return;
    }
    p->at = p->next_body;
    int64_t size = old_uleb(p), end = p->at + size;
    p->next_body = end < p->code_end ? (int32_t)end : p->code_end;
  }
}

static void read_body(patch *p) {
  bool has = p->next_body_index < p->old_bodies && coder_bit(p, context(place_body, 0, 0));
  if (!has && p->old_bodies > 0 && coder_bit(p, context(place_body, 1, 0))) {
    seek_body(p, (int64_t)p->next_body_index + coder_sint(p, context(place_body, 2, 0)));
    has = true;
  }
  int32_t before = 0;
  if (has && !p->failed) {
    p->at = p->next_body;
    uint32_t size = old_uleb(p);
    int32_t start = p->at;
    if (size > (int64_t)p->code_end - start) {
      p->failed = true;
      return;
    }
    before = (int32_t)size;
    p->next_body = start + before;
    p->next_body_index++;
    old_open(p, form_body, start, start + before);
    if (coder_bit(p, context(place_same, 16, 0))) {
      int32_t whole = old_measure(p);
      out_uleb(p, (uint32_t)whole, 0);
      begin(p, stage_same, whole);
      return;
    }
  } else old_open(p, form_raw, 0, 0);
  int32_t size = read_size(p, before, has ? 5 : 6);
  out_uleb(p, (uint32_t)size, 0);
  begin(p, stage_bytes, size);
}

static void copy_same(patch *p) {
  if (!old_has(p)) {
    p->failed = true;
    return;
  }
  out(p, old_byte(p));
  old_advance(p);
  if (--p->left == 0) part_ends(p);
}

static int read_action(patch *p, bool has, uint32_t kind, uint32_t expected) {
  uint32_t history = p->history;
  bool may_move = !p->moved;
  if (!has) return may_move && coder_bit(p, context(place_action + 4, history & 1, 0)) ? action_move : action_insert;
  p->contexts[0] = context(place_action, kind, history & 63);
  p->contexts[1] = context(place_action + 1, kind, expected << 1 | (history & 1));
  p->contexts[2] = context(place_action + 2, (uint32_t)p->op & 1023, kind << 2 | (history & 3));
  if (coder_mix(p, 0, history & 15)) return action_copy;
  if (coder_bit(p, context(place_action + 3, kind, history & 3))) return action_replace;
  if (!may_move) return action_insert;
  return coder_bit(p, context(place_action + 5, kind, history & 3)) ? action_move : action_insert;
}

/** One action [D 10.3]. */
static void read_byte(patch *p) {
  bool has = old_has(p);
  uint32_t kind = has ? p->token_kind : 31, expected = has ? old_byte(p) : 0;
  int action = read_action(p, has, kind, expected);
  p->history = (uint8_t)(p->history << 1 | (action == action_copy));
  if (action == action_move) {
    p->moved = true;
    int32_t place = (int32_t)((uint32_t)p->place + (uint32_t)coder_sint(p, context(place_byte, 0, 1)));
    old_seek(p, place);
    return;
  }
  p->moved = false;
  uint8_t byte = (uint8_t)expected;
  if (action != action_copy) {
    p->contexts[0] = context(place_byte + 1, 0, action == action_replace ? expected | kind << 8 : 0x2000);
    p->contexts[1] = context(place_byte + 2, p->one, 0);
    p->contexts[2] = context(place_byte + 3, p->one, p->two);
    byte = (uint8_t)coder_mixed_tree(p, action == action_replace ? 17 : 18, 8);
  }
  out(p, byte);
  if (action != action_insert && has) old_advance(p);
  if (--p->left == 0) part_ends(p);
}

static void step(patch *p) {
  static void (*const steps[])(patch *) = {read_length, read_map_count, read_map_run, read_section, read_body, read_byte, copy_same};
  if (!p->started) coder_start(p);
  steps[p->stage](p);
}

code patch_add(patch *p, span bytes) {
  for (;;) {
    uint32_t waiting = (uint32_t)(p->input_end - p->input_at);
    memmove(p->input, p->input + p->input_at, waiting);
    uint32_t room = patch_input_bytes - waiting, take = bytes.length < room ? bytes.length : room;
    memcpy(p->input + waiting, bytes.at, take);
    p->input_at = 0;
    p->input_end = (uint16_t)(waiting + take);
    bytes.at += take;
    bytes.length -= take;
    while (!p->failed && p->stage != stage_done && p->input_end - p->input_at >= most_step_bytes) step(p);
    if (p->failed) return code_delta_malformed;
    if (bytes.length == 0) return code_ok;
    // It goes on behind its end.
    if (take == 0) return code_delta_malformed;
  }
}

code patch_end(patch *p) {
  while (!p->failed && p->stage != stage_done) step(p);
  return p->failed || p->input_at < p->input_end ? code_delta_malformed : code_ok;
}
