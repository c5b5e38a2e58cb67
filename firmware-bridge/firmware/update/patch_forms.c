#include "patch_state.h"

/* Which tokens a section or a body is made of: one at a time, by form and phase [D 10.5]. */

enum { end_opcode = 0x0b, fc = 0x100, fd = 0x300, fe = 0x500 };

/** The immediates of opcodes from one to another, as src/delta/opcodes.ts has them; a later line replaces an earlier one. */
static const struct {
  uint16_t from, to;
  const char *immediates;
} spans[] = {
    {0x00, 0x01, ""},   {0x05, 0x05, ""},    {0x0a, 0x0b, ""},         {0x0f, 0x0f, ""},         {0x19, 0x1b, ""},         {0x45, 0xc4, ""},
    {0xd1, 0xd1, ""},   {0x02, 0x04, "B"},   {0x06, 0x06, "B"},        {0x07, 0x08, "g"},        {0x09, 0x09, "L"},        {0x0c, 0x0d, "L"},
    {0x18, 0x18, "L"},  {0x0e, 0x0e, "V"},   {0x10, 0x10, "F"},        {0x12, 0x12, "F"},        {0xd2, 0xd2, "F"},        {0x11, 0x11, "TX"},
    {0x13, 0x13, "TX"}, {0x1c, 0x1c, "S"},   {0x20, 0x22, "l"},        {0x23, 0x24, "G"},        {0x25, 0x26, "X"},        {0x28, 0x3e, "M"},
    {0x3f, 0x40, "m"},  {0x41, 0x41, "i"},   {0x42, 0x42, "I"},        {0x43, 0x43, "f"},        {0x44, 0x44, "d"},        {0xd0, 0xd0, "R"},
    {fc, fc + 7, ""},   {fc + 8, fc + 8, "Dm"}, {fc + 9, fc + 9, "D"}, {fc + 10, fc + 10, "mm"}, {fc + 11, fc + 11, "m"},  {fc + 12, fc + 12, "EX"},
    {fc + 13, fc + 13, "E"}, {fc + 14, fc + 14, "XX"}, {fc + 15, fc + 17, "X"}, {fd, fd + 0x13f, ""}, {fd, fd + 11, "M"}, {fd + 92, fd + 93, "M"},
    {fd + 12, fd + 13, "v"}, {fd + 21, fd + 34, "b"}, {fd + 84, fd + 91, "Mb"}, {fe, fe + 0x4e, "M"}, {fe + 3, fe + 3, "m"}};

static const char *immediates_of(int32_t op) {
  for (int i = (int)(sizeof spans / sizeof *spans) - 1; op >= 0 && i >= 0; i--)
    if (op >= spans[i].from && op <= spans[i].to) return spans[i].immediates;
  return NULL;
}

/** What a letter stands for: two kinds, the second so many times. */
typedef struct {
  char letter;
  uint8_t first, second, times;
} letter_kinds;

static const letter_kinds letters[] = {
    {'B', kind_block_type, 0, 0}, {'L', kind_label, 0, 0},  {'F', kind_func, 0, 0},      {'T', kind_type, 0, 0},    {'X', kind_table, 0, 0},  {'l', kind_local, 0, 0},
    {'G', kind_global, 0, 0},     {'M', kind_align, kind_offset, 1}, {'m', kind_memory, 0, 0}, {'i', kind_i32, 0, 0}, {'I', kind_i64, 0, 0},   {'f', kind_f64, kind_f64, 3},
    {'d', kind_f64, kind_f64, 7}, {'R', kind_heap_type, 0, 0}, {'D', kind_data, 0, 0},   {'E', kind_element, 0, 0}, {'b', kind_lane, 0, 0},   {'v', kind_f64, kind_f64, 15},
    {'g', kind_tag, 0, 0},        {'V', kind_count, kind_label, 1}, {'S', kind_count, kind_value_type, 1}};

static const letter_kinds *kinds_of(char letter) {
  const letter_kinds *at = letters;
  while (at->letter != letter) at++;
  return at;
}

int opcode_immediates(int32_t op) {
  const char *text = immediates_of(op);
  if (text == NULL) return -1;
  int count = 0;
  for (; *text != 0; text++) count += 1 + kinds_of(*text)->times;
  return count;
}

int opcode_kind(int32_t op, int index) {
  for (const char *text = immediates_of(op); *text != 0; text++) {
    const letter_kinds *kinds = kinds_of(*text);
    if (index == 0) return kinds->first;
    if (index <= kinds->times) return kinds->second;
    index -= 1 + kinds->times;
  }
  return token_raw;
}

/** An opcode or an immediate; answers whether it is the opcode of an end. */
static bool instruction(patch *p) {
  int kinds = p->op < 0 ? -1 : opcode_immediates(p->op), at = p->immediate;
  if (kinds < 0 || at >= kinds) {
    int32_t op = token_read_opcode(p);
    if (opcode_immediates(op) < 0) p->failed = true;
    p->op = op;
    p->immediate = 0;
    return op == end_opcode;
  }
  int first = opcode_kind(p->op, 0), kind = opcode_kind(p->op, at);
  int32_t value = token_read_leb(p, kind);
  // Bit 6 of the alignment: a memory's index follows, and this profile knows one memory.
  if (kind == kind_align && (value & 0x40)) p->failed = true;
  bool counted = first == kind_count;
  if (counted && at == 1) p->count--;
  else p->immediate = at + 1;
  // A br_table has one label more than it counts.
  if (kind == kind_count) p->count = (int32_t)((uint32_t)value + (opcode_kind(p->op, 1) == kind_label));
  if (counted && p->count <= 0) p->op = -1;
  return false;
}

static int body(patch *p, int phase) {
  if (phase == 0) return token_read_count(p), 1;
  // Groups of locals: how many, and their type.
  if (phase == 1 && p->count != 0) return token_read_leb(p, token_count), 2;
  if (phase == 2) {
    token_read_leb(p, kind_value_type);
    p->count = (int32_t)((uint32_t)p->count - 1);
    return 1;
  }
  if (phase == 1) p->op = -1;
  instruction(p);
  return 3;
}

static int types(patch *p, int phase) {
  if (phase == 0) token_read_count(p);
  else token_read_leb(p, kind_type);
  return 1;
}

static int exported(patch *p, int phase) {
  // How many exports, then the length of a name.
  if (phase < 2) return token_read_count(p), phase + 1;
  if (phase == 2) {
    if (token_read_stretch(p, token_raw)) return 2;
    p->op = token_read_raw(p, kind_catch);
    return 3;
  }
  token_read_leb(p, p->op == 0 ? kind_func : p->op == 3 ? kind_global : token_count);
  return 1;
}

/** Flags 0, i32.const, the offset, end, a count, functions. */
static int elements(patch *p, int phase) {
  if (phase == 0 || phase == 5) return token_read_count(p), phase + 1;
  if (phase == 6 && p->count > 0) {
    p->count--;
    token_read_leb(p, kind_func);
    return 6;
  }
  if (phase == 3) token_read_leb(p, token_count);
  else token_read_raw(p, token_raw);
  return phase == 6 ? 2 : phase + 1;
}

/** The word "name", then parts: an id, a size, and for functions a count of indices with their names. */
static int names(patch *p, int phase) {
  if (phase == 0 || phase == 3) {
    if (token_read_stretch(p, token_raw)) return phase;
    phase = 1;
  } else if (phase == 7) {
    if (token_read_stretch(p, token_raw)) return 7;
    phase = 5;
  }
  if (phase == 5 && p->at >= p->address) phase = 1;
  switch (phase) {
    case 1:
      p->op = token_read_raw(p, kind_catch);
      return 2;
    case 2:
      token_read_count(p);
      p->address = (int32_t)((uint32_t)p->at + (uint32_t)p->count);
      return p->op == 1 ? 4 : 3;
    case 5:
      token_read_leb(p, kind_func);
      return 6;
    default:
      token_read_count(p);
      return phase + 1;
  }
}

/** Flags 0, i32.const, an address, end, a length, bytes whose aligned words may be addresses; behind another segment all is raw. */
static int data(patch *p, int phase) {
  if (phase == 6 && p->count <= 0) phase = 1;
  switch (phase) {
    case 0:
    case 5:
      token_read_count(p);
      return phase + 1;
    case 1:
      return token_read_raw(p, token_raw) == 0 ? 2 : 7;
    case 2:
      return token_read_raw(p, token_raw) == 0x41 ? 3 : 7;
    case 3:
      p->address = token_read_leb(p, kind_i32);
      return 4;
    case 4:
      return token_read_raw(p, token_raw) == end_opcode ? 5 : 7;
    case 6:
      if ((p->address & 3) != 0 || p->count < 4) {
        p->address = (int32_t)((uint32_t)p->address + 1);
        token_read_stretch(p, token_raw);
      } else {
        p->address = (int32_t)((uint32_t)p->address + 4);
        p->count -= 4;
        token_read_word(p, map_addresses);
      }
      return 6;
    default:
      token_read_raw(p, token_raw);
      return 7;
  }
}

static int globals(patch *p, int phase) {
  if (phase == 0) token_read_count(p);
  else if (phase < 3) token_read_raw(p, token_raw);
  else return instruction(p) ? 1 : 3;
  p->op = -1;
  return phase + 1;
}

void old_read_token(patch *p) {
  static int (*const readers[])(patch *, int) = {NULL, body, types, exported, elements, names, data, globals};
  if (p->form == form_raw) token_read_raw(p, token_raw);
  else p->phase = readers[p->form](p, p->phase);
}
