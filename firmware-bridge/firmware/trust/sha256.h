// SHA-256 (FIPS 180-4), and HMAC with it (RFC 2104).
#ifndef HYPHA_SHA256_H
#define HYPHA_SHA256_H

#include "../base/bytes.h"

enum { sha256_bytes = 32 };

typedef struct {
  uint32_t state[8];
  uint32_t length;
  uint8_t block[64];
} sha256;

void sha256_begin(sha256 *hash);
void sha256_add(sha256 *hash, const void *bytes, uint32_t length);
void sha256_end(sha256 *hash, uint8_t out[sha256_bytes]);
void sha256_of(span bytes, uint8_t out[sha256_bytes]);

typedef struct {
  sha256 inner;
  uint8_t key[64];
} hmac;

/** `key` has at most 64 bytes. */
void hmac_begin(hmac *mac, span key);
void hmac_add(hmac *mac, const void *bytes, uint32_t length);
void hmac_end(hmac *mac, uint8_t out[sha256_bytes]);

#endif
