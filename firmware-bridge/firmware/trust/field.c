// Functions of the package ed25519-supercop as loops, and in terms of its product, where it has them written out: a square is a product. That takes half as much time again, and
// 4 KB of flash less; the program is linked with these instead (field-replaced.h). Their results are the same numbers, within the same bounds of each digit.
#include <fe.h>
#include <string.h>

/** Digits of 26 and 25 bits by turns. */
enum { digits = sizeof(fe) / sizeof(int32_t) };
static int bits_of(int digit) { return 26 - (digit & 1); }

void fe_copy(fe h, const fe f) { memmove(h, f, sizeof(fe)); }

void fe_add(fe h, const fe f, const fe g) {
  for (int i = 0; i < digits; i++) h[i] = f[i] + g[i];
}

void fe_sub(fe h, const fe f, const fe g) {
  for (int i = 0; i < digits; i++) h[i] = f[i] - g[i];
}

void fe_neg(fe h, const fe f) {
  for (int i = 0; i < digits; i++) h[i] = -f[i];
}

void fe_sq(fe h, const fe f) { fe_mul(h, f, f); }

/** Twice the square. Of what is a product, so that its double is within what a product takes. */
void fe_sq2(fe h, const fe f) {
  fe twice;
  fe_add(twice, f, f);
  fe_mul(h, f, twice);
}

void fe_mul121666(fe h, fe f) {
  static const fe factor = {121666};
  fe_mul(h, f, factor);
}

/** To the power 2^252 − 3, whose bits are ones but for the second. `out` may be `z`. */
void fe_pow22523(fe out, const fe z) {
  fe power;
  fe_copy(power, z);
  for (int at = 250; at >= 0; at--) {
    fe_sq(power, power);
    if (at != 1) fe_mul(power, power, z);
  }
  fe_copy(out, power);
}

/** To the power 2^255 − 21: that of 2^252 − 3 to the 8th, times the cube. `out` may be `z`. */
void fe_invert(fe out, const fe z) {
  fe power;
  fe_pow22523(power, z);
  for (int i = 0; i < 3; i++) fe_sq(power, power);
  for (int i = 0; i < 3; i++) fe_mul(power, power, z);
  fe_copy(out, power);
}

/** The highest of the 256 bits isn't read. The product brings the digits within their bounds. */
void fe_frombytes(fe h, const unsigned char *s) {
  static const fe one = {1};
  fe read;
  int at = 0;
  for (int i = 0; i < digits; i++) {
    read[i] = 0;
    for (int j = 0; j < bits_of(i); j++, at++) read[i] |= (s[at / 8] >> (at & 7) & 1) << j;
  }
  fe_mul(h, read, one);
}

/** The number below the prime: the package explains why one quotient does. */
void fe_tobytes(unsigned char *s, const fe h) {
  int32_t quotient = (19 * h[9] + (1 << 24)) >> 25, carry;
  for (int i = 0; i < digits; i++) quotient = (h[i] + quotient) >> bits_of(i);
  carry = 19 * quotient;
  memset(s, 0, 32);
  int at = 0;
  for (int i = 0; i < digits; i++) {
    int32_t digit = h[i] + carry;
    carry = digit >> bits_of(i);
    for (int j = 0; j < bits_of(i); j++, at++) s[at / 8] |= (unsigned char)((digit >> j & 1) << (at & 7));
  }
}

/** In constant time, as X25519 needs it. */
void fe_cswap(fe f, fe g, unsigned int b) {
  int32_t mask = -(int32_t)b;
  for (int i = 0; i < digits; i++) {
    int32_t both = (f[i] ^ g[i]) & mask;
    f[i] ^= both;
    g[i] ^= both;
  }
}

int fe_isnonzero(const fe f) {
  unsigned char bytes[32], any = 0;
  fe_tobytes(bytes, f);
  for (int i = 0; i < 32; i++) any |= bytes[i];
  return any;
}
