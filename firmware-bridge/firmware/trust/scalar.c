#include "scalar.h"

enum { words = 8 };

/** 2^252 + 27742317777372353535851937790883648493, the lowest word first. */
static const uint32_t order[words] = {0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0, 0, 0, 0x10000000};

/** Subtracts the order where that leaves a number; answers whether it did. */
static bool subtract(uint32_t from[words]) {
  uint32_t left[words], borrow = 0;
  for (int i = 0; i < words; i++) {
    uint64_t difference = (uint64_t)from[i] - order[i] - borrow;
    left[i] = (uint32_t)difference;
    borrow = (uint32_t)(difference >> 32) & 1;
  }
  if (borrow == 0) memcpy(from, left, sizeof left);
  return borrow == 0;
}

bool scalar_is_reduced(const uint8_t bytes[32]) {
  uint32_t value[words];
  for (int i = 0; i < words; i++) value[i] = load32(bytes + 4 * i);
  return !subtract(value);
}

void scalar_reduce(uint8_t bytes[64]) {
  // Bit by bit, from the highest on: an eighth of what the package's unrolled form takes, and a thousandth of the time of a signature's check.
  uint32_t rest[words] = {0};
  for (int at = 511; at >= 0; at--) {
    uint32_t bit = bytes[at / 8] >> (at & 7) & 1;
    for (int i = 0; i < words; i++) {
      uint32_t highest = rest[i] >> 31;
      rest[i] = rest[i] << 1 | bit;
      bit = highest;
    }
    subtract(rest);
  }
  for (int i = 0; i < words; i++) store32(bytes + 4 * i, rest[i]);
}
