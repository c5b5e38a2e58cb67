#include "patch_state.h"

/* The old module's bytes by tokens, numbers as the maps would have them [D 10.5]. Whatever the old bytes are is taken. */

uint8_t old_byte_at(const patch *p, int32_t offset) { return offset < 0 || (uint32_t)offset >= p->old.length ? 0 : p->old.at[offset]; }

static uint8_t next_byte(patch *p) {
  uint8_t byte = old_byte_at(p, p->at);
  if (p->at < INT32_MAX) p->at++;
  return byte;
}

uint32_t old_uleb(patch *p) {
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    uint8_t byte = next_byte(p);
    value |= (uint32_t)(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

uint8_t token_read_raw(patch *p, int kind) {
  p->token[0] = next_byte(p);
  p->token_length = 1;
  p->token_kind = (uint8_t)kind;
  return p->token[0];
}

/** A number moved as the last run at or below it says; negative ones, and those before the first run, stay. */
static int32_t map_number(const patch *p, int kind, int32_t value) {
  if (value < 0) return value;
  int32_t first = kind == 0 ? 0 : p->map_ends[kind - 1];
  int32_t low = first - 1, high = (kind == map_addresses ? p->maps_used : p->map_ends[kind]) - 1;
  while (low < high) {
    int32_t middle = (low + high + 1) >> 1;
    if (p->runs[middle].at <= value) low = middle;
    else high = middle - 1;
  }
  return low < first ? value : (int32_t)((uint32_t)value + (uint32_t)p->runs[low].shift);
}

static int32_t map_by_kind(const patch *p, int kind, int32_t value) {
  switch (kind) {
    case kind_func: return map_number(p, map_functions, value);
    case kind_type:
    case kind_block_type: return map_number(p, map_types, value);
    case kind_global: return map_number(p, map_globals, value);
    case kind_i32:
    case kind_offset: return map_number(p, map_addresses, value);
    default: return value;
  }
}

/** A mapped number in the token; a padded one keeps its width. */
static void put_number(patch *p, int32_t value, bool is_signed, int width) {
  uint8_t last = p->token[width - 1];
  bool padded = width > 1 && (last == 0 || (is_signed && last == 0x7f));
  int32_t rest = value;
  uint8_t at = 0;
  for (;;) {
    uint8_t digit = rest & 0x7f;
    rest = is_signed ? rest >> 7 : (int32_t)((uint32_t)rest >> 7);
    bool done = is_signed ? (rest == 0 && !(digit & 0x40)) || (rest == -1 && (digit & 0x40)) : rest == 0;
    if (done && !(padded && at + 1 < width)) {
      p->token[at++] = digit;
      break;
    }
    p->token[at++] = digit | 0x80;
  }
  p->token_length = at;
}

int32_t token_read_leb(patch *p, int kind) {
  if (kind == kind_f64 || kind == kind_lane) return token_read_raw(p, kind);
  uint32_t read = 0;
  int width = 0;
  uint8_t byte;
  do {
    byte = next_byte(p);
    p->token[width] = byte;
    if (width < 5) read |= (uint32_t)(byte & 0x7f) << (7 * width);
    width++;
  } while (byte >= 0x80 && width < 10);
  p->token_length = (uint8_t)width;
  p->token_kind = (uint8_t)kind;
  bool is_signed = kind == kind_i32 || kind == kind_block_type;
  if (is_signed && width < 5 && (byte & 0x40)) read |= 0xffffffffu << (7 * width);
  int32_t value = (int32_t)read, mapped = map_by_kind(p, kind, value);
  if (mapped != value && width <= 5) put_number(p, mapped, is_signed, width);
  return value;
}

void token_read_count(patch *p) { p->count = token_read_leb(p, token_count); }

bool token_read_stretch(patch *p, int kind) {
  if (p->count <= 0) return false;
  p->count--;
  token_read_raw(p, kind);
  return true;
}

void token_read_word(patch *p, int map) {
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) word |= (uint32_t)next_byte(p) << (8 * i);
  store32(p->token, (uint32_t)map_number(p, map, (int32_t)word));
  p->token_length = 4;
  p->token_kind = token_raw;
}

enum { most_sub_opcodes = 0x140 };

int32_t token_read_opcode(patch *p) {
  int32_t from = p->at;
  uint8_t op = token_read_raw(p, token_op);
  if (op < 0xfc || op > 0xfe) return op;
  uint32_t sub = old_uleb(p);
  for (int32_t i = from; i < p->at; i++) p->token[i - from] = old_byte_at(p, i);
  p->token_length = (uint8_t)(p->at - from);
  // The prefixes begin at 0x100, 0x300 and 0x500: an opcode is one number [D 5.1].
  return sub >= most_sub_opcodes ? -1 : (int32_t)(0x100 + (op - 0xfc) * 0x200 + sub);
}

static void restart(patch *p) {
  p->at = p->start;
  p->phase = 0;
  p->count = p->form == form_names ? 5 : 0;
  p->place = 0;
  p->token_at = p->token_length = 0;
}

void old_open(patch *p, int form, int32_t start, int32_t end) {
  p->form = form;
  p->start = start;
  p->end = end;
  restart(p);
}

bool old_has(patch *p) {
  if (p->token_at < p->token_length) return true;
  p->token_at = p->token_length = 0;
  if (p->failed || p->at >= p->end) return false;
  // Reading a token takes time: as much as the lengths of both files allow [D 10.6].
  if (--p->walk_left < 0) return p->failed = true, false;
  old_read_token(p);
  return !p->failed;
}

void old_advance(patch *p) {
  p->token_at++;
  p->place++;
}

void old_seek(patch *p, int32_t place) {
  if (p->form == form_raw) {
    restart(p);
    int32_t most = p->end - p->start;
    p->place = place < 0 ? 0 : place < most ? place : most;
    p->at = p->start + p->place;
    return;
  }
  if (place < p->place) restart(p);
  while (p->place < place && old_has(p)) old_advance(p);
}

int32_t old_measure(patch *p) {
  while (old_has(p)) old_advance(p);
  int32_t length = p->place;
  restart(p);
  return length;
}
