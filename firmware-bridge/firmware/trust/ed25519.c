#include "ed25519.h"

#include <fe.h>
#include <sha512.h>

#include "curve.h"
#include "scalar.h"

// Of the package's key_exchange.c; ed25519.h of the package isn't included, since it declares an ed25519_verify that lacks the checks below.
void ed25519_key_exchange(unsigned char *shared_secret, const unsigned char *public_key, const unsigned char *private_key);

/** Of the prime of the field. */
static const uint8_t prime_first = 0xed;

/** The y of points of order 8; those of order 1, 2 and 4 are 1, −1 and 0. */
static const uint8_t order8[2][32] = {{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
                                       0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
                                      {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
                                       0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}};

bool ed25519_is_sound(const uint8_t point[32]) {
  uint8_t y[32];
  memcpy(y, point, 32);
  // The highest bit is the sign of x (RFC 8032, 5.1.2).
  y[31] &= 0x7f;
  // Of the numbers of 255 bits only 19 aren't below the prime: all bytes but the first are ones.
  bool ones = y[31] == 0x7f, zeros = y[31] == 0;
  for (int i = 1; i < 31; i++) {
    ones = ones && y[i] == 0xff;
    zeros = zeros && y[i] == 0;
  }
  // From prime − 1 on (order 2, then the second encodings of numbers); and 0 and 1 (orders 4 and 1).
  if (ones && y[0] >= prime_first - 1) return false;
  if (zeros && y[0] <= 1) return false;
  return memcmp(y, order8[0], 32) != 0 && memcmp(y, order8[1], 32) != 0;
}

/** What is signed, as a number below the order (RFC 8032, 5.1.7). Apart, so that the stack has it or the product, never both. */
static __attribute__((noinline)) void challenge(uint8_t h[64], const uint8_t key[32], const uint8_t signature[64], const span *pieces, int count) {
  sha512_context hash;
  sha512_init(&hash);
  sha512_update(&hash, signature, 32);
  sha512_update(&hash, key, 32);
  for (int i = 0; i < count; i++) sha512_update(&hash, pieces[i].at, pieces[i].length);
  sha512_final(&hash, h);
  scalar_reduce(h);
}

bool ed25519_verifies(const uint8_t key[32], const uint8_t signature[64], const span *pieces, int count) {
  // RFC 8032, 5.1.7 and 8.4: S below the order; points in their one encoding.
  if (!scalar_is_reduced(signature + 32) || !ed25519_is_sound(signature) || !ed25519_is_sound(key)) return false;
  uint8_t h[64], found[32];
  challenge(h, key, signature, pieces, count);
  return curve_sum(found, h, key, signature + 32) && memcmp(found, signature, 32) == 0;
}

/** The secret number of a seed. */
static void expand(uint8_t scalar[64], const uint8_t seed[32]) {
  sha512_context hash;
  sha512_init(&hash);
  sha512_update(&hash, seed, 32);
  sha512_final(&hash, scalar);
  scalar[0] &= 248;
  scalar[31] = (scalar[31] & 127) | 64;
}

void ed25519_public(uint8_t out[32], const uint8_t seed[32]) {
  // Nothing times any point and something: the table that a product with the base point alone goes by would take 30 KB of flash.
  static const uint8_t nothing[32] = {0};
  uint8_t scalar[64];
  expand(scalar, seed);
  curve_sum(out, nothing, curve_base, scalar);
  memset(scalar, 0, sizeof scalar);
}

bool x25519_shared(uint8_t out[32], const uint8_t seed[32], const uint8_t peer[32]) {
  // The package's function takes the point as Ed25519 writes it: y = (u - 1) / (u + 1).
  fe u, one, numerator, denominator;
  uint8_t y[32], scalar[64];
  fe_frombytes(u, peer);
  fe_1(one);
  fe_sub(numerator, u, one);
  fe_add(denominator, u, one);
  fe_invert(denominator, denominator);
  fe_mul(numerator, numerator, denominator);
  fe_tobytes(y, numerator);
  expand(scalar, seed);
  ed25519_key_exchange(out, y, scalar);
  memset(scalar, 0, sizeof scalar);
  uint8_t any = 0;
  for (int i = 0; i < 32; i++) any |= out[i];
  return any != 0;
}
