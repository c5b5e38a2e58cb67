// Signatures as every tier of Hypha takes them (src/trust/ed25519-checks.ts), and what a board's own key does. The field's arithmetic is that of the npm package
// ed25519-supercop, compiled where it lies; what it lets pass and Hypha doesn't is checked here.
#ifndef HYPHA_ED25519_H
#define HYPHA_ED25519_H

#include "../base/bytes.h"

/** Whether 32 bytes can be a public key: in its one encoding, and not of small order. */
bool ed25519_is_sound(const uint8_t point[32]);
/** Whether the signature is one by this key over all pieces, one after the other. */
bool ed25519_verifies(const uint8_t key[32], const uint8_t signature[64], const span *pieces, int count);

/** The public key of a seed (RFC 8032, 5.1.5). Not in constant time: once in a board's life, when it makes its key. */
void ed25519_public(uint8_t out[32], const uint8_t seed[32]);
/** X25519 (RFC 7748) of a peer's key with the seed's secret, in constant time. Answers false where nothing secret comes of it. */
bool x25519_shared(uint8_t out[32], const uint8_t seed[32], const uint8_t peer[32]);

#endif
