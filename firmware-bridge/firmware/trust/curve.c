// The sum of two products of points as the package ed25519-supercop names it, in little flash and little stack: one bit of both numbers at a time, with a table of three
// points, where the package has tables of sixteen. The program is linked with this one instead (field-replaced.h).
#include <ge.h>
#include <string.h>

static int bit(const unsigned char *number, int at) { return number[at / 8] >> (at & 7) & 1; }

/** The base point: y = 4/5, with the sign for which the package's decoder, which negates, gives the even x. */
static void base_point(ge_p3 *out) {
  unsigned char bytes[32];
  memset(bytes, 0x66, sizeof bytes);
  bytes[0] = 0x58;
  bytes[31] |= 0x80;
  ge_frombytes_negate_vartime(out, bytes);
}

/** a·A + b·B, B being the base point. Takes longer for some numbers than for others. */
void ge_double_scalarmult_vartime(ge_p2 *r, const unsigned char *a, const ge_p3 *A, const unsigned char *b) {
  // A, B, and their sum.
  ge_cached table[3];
  ge_p1p1 sum;
  ge_p3 point;
  ge_p3_to_cached(&table[0], A);
  base_point(&point);
  ge_p3_to_cached(&table[1], &point);
  ge_add(&sum, &point, &table[0]);
  ge_p1p1_to_p3(&point, &sum);
  ge_p3_to_cached(&table[2], &point);
  ge_p2_0(r);
  for (int at = 255; at >= 0; at--) {
    ge_p2_dbl(&sum, r);
    int which = bit(a, at) | bit(b, at) << 1;
    if (which != 0) {
      ge_p1p1_to_p3(&point, &sum);
      ge_add(&sum, &point, &table[which - 1]);
    }
    ge_p1p1_to_p2(r, &sum);
  }
}
