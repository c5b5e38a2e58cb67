// Signed envelopes (RFC 9052), read as src/trust/cose.ts reads them: the received bytes are verified where they lie, then decoded; nothing is encoded again but the
// few bytes that stand between them in what was signed.
#ifndef HYPHA_COSE_H
#define HYPHA_COSE_H

#include "cbor.h"

typedef enum { kind_root, kind_release, kind_directive, kind_commit } envelope_kind;

enum { most_keys = 16, public_key_bytes = 32 };

/** An envelope whose form was checked, and nothing else. */
typedef struct {
  envelope_kind kind;
  /** Of COSE_Sign1, else of COSE_Sign. */
  bool single;
  /** The body's protected header, as received. */
  span body;
  /** Signed by nobody yet. */
  span payload;
  /** COSE_Sign1: the signature; COSE_Sign: the array of them. */
  cbor signatures;
} envelope;

/** Keys of a role, and how many of them must have signed. */
typedef struct {
  uint8_t threshold;
  uint8_t count;
  const uint8_t *keys[most_keys];
} role;

/** Checks the size, then the form: bytes-too-long, bytes-malformed, bytes-truncated, envelope-malformed, envelope-kind. Verifies nothing. */
code cose_open(span bytes, envelope_kind kind, uint32_t most_bytes, envelope *out);
/** Whether enough different keys of the role have signed: else threshold-not-met, or signature-invalid where one of them has a signature that isn't valid. */
code cose_threshold(const envelope *opened, const role *by);

#endif
