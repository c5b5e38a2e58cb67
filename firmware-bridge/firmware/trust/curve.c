// The sum of two products of points in little flash and little stack: one bit of both numbers at a time, where the package ed25519-supercop has tables of sixteen points.
#include "curve.h"

#include <ge.h>

/** y = 4/5, with the sign for which the package's decoder, which negates, gives the even x. */
const uint8_t curve_base[32] = {0x58, [1 ... 30] = 0x66, 0xe6};

static int bit(const uint8_t *number, int at) { return number[at / 8] >> (at & 7) & 1; }

bool curve_sum(uint8_t out[32], const uint8_t a[32], const uint8_t of[32], const uint8_t b[32]) {
  ge_cached table[2];
  ge_p1p1 sum;
  // The first three numbers of one are the other: only an addition needs the fourth.
  union {
    ge_p3 three;
    ge_p2 two;
  } point;
  const uint8_t *const points[2] = {of, curve_base}, *const numbers[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    if (ge_frombytes_negate_vartime(&point.three, points[i]) != 0) return false;
    ge_p3_to_cached(&table[i], &point.three);
  }
  ge_p2_0(&point.two);
  for (int at = 255; at >= 0; at--) {
    ge_p2_dbl(&sum, &point.two);
    for (int i = 0; i < 2; i++) {
      if (!bit(numbers[i], at)) continue;
      ge_p1p1_to_p3(&point.three, &sum);
      ge_add(&sum, &point.three, &table[i]);
    }
    ge_p1p1_to_p2(&point.two, &sum);
  }
  ge_tobytes(out, &point.two);
  return true;
}
