#include "patch_state.h"

/* The coder of docs/delta.md 3 with the cells of 10.4: a chance of 12 bits above 4 bits of how often it was used. */

enum { fresh = 2048 << 4, most_uses = 15, initial_weight = 26214, learning_rate = 10, least_chance = 24, borrowed_zeros = 8 };

/** 4096 / (1 + e^(-x/256)) at x = −2048, −1920, … 2048 [D 3.3]. */
static const uint16_t knots[33] = {1,    2,    3,    6,    10,   16,   27,   45,   73,   120,  194,  310,  488,  747,  1101, 1546, 2047,
                                   2549, 2994, 3348, 3607, 3785, 3901, 3975, 4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094};

static int32_t squash(int32_t x) {
  x = x > 2047 ? 2047 : x < -2047 ? -2047 : x;
  int32_t part = x & 127, knot = (x >> 7) + 16;
  return (knots[knot] * (128 - part) + knots[knot + 1] * part + 64) >> 7;
}

/** The least x whose chance is as great. Solved between two knots: a table would take 8 KB of flash. */
static int32_t stretch(int32_t chance) {
  if (chance <= squash(-2047)) return -2047;
  int32_t knot = 0;
  for (int32_t step = 16; step > 0; step /= 2)
    if (knot + step <= 31 && squash(((knot + step) - 16) * 128) < chance) knot += step;
  // knots[knot] · 128 + (knots[knot + 1] − knots[knot]) · part + 64 ≥ chance · 128
  int32_t rise = knots[knot + 1] - knots[knot], needed = chance * 128 - 64 - knots[knot] * 128;
  int32_t part = needed <= 0 ? 0 : (needed + rise - 1) / rise;
  int32_t x = (knot - 16) * 128 + part;
  return x > 2047 ? 2047 : x < -2047 ? -2047 : x;
}

static uint32_t bounded(uint32_t chance) { return chance < least_chance ? least_chance : chance > 65536 - least_chance ? 65536 - least_chance : chance; }

void coder_begin(patch *p) {
  uint16_t *cells = patch_cells(p);
  for (uint32_t i = 0; i < (1u << (32 - p->table_shift)); i++) cells[i] = fresh;
  for (int i = 0; i < patch_inputs * patch_weight_sets; i++) p->weights[i] = initial_weight;
  p->low = 0;
  p->high = 0xffffffff;
}

static uint8_t next_input(patch *p) {
  if (p->input_at < p->input_end) return p->input[p->input_at++];
  if (p->borrowed >= borrowed_zeros) p->failed = true;
  else p->borrowed++;
  return 0;
}

void coder_start(patch *p) {
  p->started = true;
  for (int i = 0; i < 4; i++) p->value = p->value << 8 | next_input(p);
}

/** A bit that is 1 at a chance of so many in 65,536. */
static int decode(patch *p, uint32_t chance) {
  uint32_t range = p->high - p->low;
  uint32_t middle = p->low + (range >> 16) * chance + ((range & 0xffff) * chance >> 16);
  int bit = p->value <= middle;
  if (bit) p->high = middle;
  else p->low = middle + 1;
  while (((p->low ^ p->high) & 0xff000000) == 0) {
    p->value = p->value << 8 | next_input(p);
    p->low <<= 8;
    p->high = p->high << 8 | 255;
  }
  return bit;
}

static uint16_t *cell_of(patch *p, uint32_t context) { return &patch_cells(p)[context * 0x9e3779b1u >> p->table_shift]; }

static void update(uint16_t *cell, int bit) {
  int32_t uses = *cell & 15, chance = *cell >> 4;
  int32_t step = (bit ? 4095 - chance : chance) * (655360 / (uses * 10 + 15)) >> 16;
  if (step < 1) step = 1;
  chance += bit ? step : -step;
  chance = chance < 0 ? 0 : chance > 4095 ? 4095 : chance;
  *cell = (uint16_t)(chance << 4 | (uses < most_uses ? uses + 1 : uses));
}

int coder_bit(patch *p, uint32_t context) {
  uint16_t *cell = cell_of(p, context);
  int bit = decode(p, bounded((uint32_t)(*cell >> 4) * 16 + 8));
  update(cell, bit);
  return bit;
}

/** A product as 32 bits have it. */
static int32_t times(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

int coder_mix(patch *p, uint32_t node, uint32_t set) {
  int32_t *weights = &p->weights[set % patch_weight_sets * patch_inputs];
  int32_t inputs[patch_inputs], sum = 0;
  for (int i = 0; i < patch_inputs; i++) {
    uint16_t cell = *cell_of(p, p->contexts[i] + node);
    inputs[i] = (cell & 15) != 0 ? stretch(cell >> 4) : 0;
    if ((cell & 15) != 0) sum += times(inputs[i], weights[i]) >> 8;
  }
  int32_t guess = squash(sum >> 8);
  int bit = decode(p, bounded((uint32_t)guess * 16 + 8));
  int32_t error = ((bit << 12) - guess) * learning_rate;
  for (int i = 0; i < patch_inputs; i++) {
    // A cell that two contexts share has learnt by the second time: it is read again.
    uint16_t *cell = cell_of(p, p->contexts[i] + node);
    if ((*cell & 15) != 0) weights[i] = (int32_t)((uint32_t)weights[i] + (uint32_t)((int32_t)((uint32_t)times(stretch(*cell >> 4), error) + 0x2000) >> 14));
    update(cell, bit);
  }
  return bit;
}

uint32_t coder_tree(patch *p, uint32_t context, int bits) {
  uint32_t node = 1;
  for (int i = 0; i < bits; i++) node = node << 1 | (uint32_t)coder_bit(p, context + node);
  return node - (1u << bits);
}

uint32_t coder_mixed_tree(patch *p, uint32_t set, int bits) {
  uint32_t node = 1;
  for (int i = 0; i < bits; i++) node = node << 1 | (uint32_t)coder_mix(p, node, set);
  return node - (1u << bits);
}

uint32_t coder_uint(patch *p, uint32_t context) {
  uint32_t length = coder_tree(p, context, 6);
  if (length <= 1) return length;
  uint32_t number = 1;
  int left = (int)(length < 32 ? length : 32) - 1;
  for (int done = 0; done < left; done++)
    number = number << 1 | (uint32_t)(done < 2 ? coder_bit(p, context + 64 + (length << 3) + number) : decode(p, 32768));
  return number;
}

int32_t coder_sint(patch *p, uint32_t context) {
  uint32_t folded = coder_uint(p, context);
  return (int32_t)(folded >> 1 ^ (0u - (folded & 1)));
}
