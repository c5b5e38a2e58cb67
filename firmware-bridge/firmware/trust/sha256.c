#include "sha256.h"

#include "sha_rounds.h"

static uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

/** The schedule is kept as the 16 words that it needs: 192 bytes of stack less. */
static void compress(uint32_t state[8], const uint8_t *block) {
  uint32_t w[16], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; i++) {
    if (i >= 16) {
      uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
      w[i & 15] += w[(i + 9) & 15] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    uint32_t e = v[4], a = v[0];
    uint32_t one = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + (uint32_t)(sha_rounds[i] >> 32) + w[i & 15];
    uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    for (int j = 7; j > 0; j--) v[j] = v[j - 1];
    v[4] += one;
    v[0] = one + two;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

void sha256_begin(sha256 *hash) {
  for (int i = 0; i < 8; i++) hash->state[i] = (uint32_t)(sha_first[i] >> 32);
  hash->length = 0;
}

void sha256_add(sha256 *hash, const void *bytes, uint32_t length) {
  const uint8_t *at = bytes;
  while (length > 0) {
    uint32_t used = hash->length & 63;
    uint32_t take = length < 64 - used ? length : 64 - used;
    if (take == 64) compress(hash->state, at);
    else {
      memcpy(hash->block + used, at, take);
      if (used + take == 64) compress(hash->state, hash->block);
    }
    hash->length += take;
    at += take;
    length -= take;
  }
}

void sha256_end(sha256 *hash, uint8_t out[sha256_bytes]) {
  uint32_t length = hash->length;
  uint8_t pad = 0x80;
  do {
    sha256_add(hash, &pad, 1);
    pad = 0;
  } while ((hash->length & 63) != 56);
  uint8_t bits[8] = {0};
  for (int i = 0; i < 4; i++) bits[7 - i] = (uint8_t)((length << 3) >> (8 * i));
  bits[3] = (uint8_t)(length >> 29);
  sha256_add(hash, bits, 8);
  for (int i = 0; i < 32; i++) out[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i & 3)));
}

void sha256_of(span bytes, uint8_t out[sha256_bytes]) {
  sha256 hash;
  sha256_begin(&hash);
  sha256_add(&hash, bytes.at, bytes.length);
  sha256_end(&hash, out);
}

static void add_pad(hmac *mac, uint8_t with) {
  uint8_t pad[64];
  for (int i = 0; i < 64; i++) pad[i] = mac->key[i] ^ with;
  sha256_begin(&mac->inner);
  sha256_add(&mac->inner, pad, 64);
}

void hmac_begin(hmac *mac, span key) {
  memset(mac->key, 0, 64);
  memcpy(mac->key, key.at, key.length < 64 ? key.length : 64);
  add_pad(mac, 0x36);
}

void hmac_add(hmac *mac, const void *bytes, uint32_t length) { sha256_add(&mac->inner, bytes, length); }

void hmac_end(hmac *mac, uint8_t out[sha256_bytes]) {
  sha256_end(&mac->inner, out);
  add_pad(mac, 0x5c);
  sha256_add(&mac->inner, out, 32);
  sha256_end(&mac->inner, out);
}
