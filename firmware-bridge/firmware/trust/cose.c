#include "cose.h"

#include "ed25519.h"
#include "sha256.h"

/** RFC 9052, 3.1, 4.1 and 4.2; RFC 9053, 2.2. */
enum { tag_sign1 = 18, tag_sign = 98, label_algorithm = 1, label_content_type = 3, label_kid = 4, kid_bytes = 8, signature_bytes = 64, most_header = 256 };

typedef struct {
  span header;
  const uint8_t *kid;
  const uint8_t *signature;
} signature_part;

// The kind is signed twice: in the content type, and as external data (RFC 9052, 4.3).
static const char *const kinds[] = {"root", "release", "directive", "commit"};

static bool is(cbor item, int major) { return item != NULL && cbor_major(item) == major; }

static bool is_array_of(cbor item, uint32_t count) { return is(item, cbor_array) && cbor_argument(item) == count; }

static bool is_empty_map(cbor item) { return is(item, cbor_map) && cbor_argument(item) == 0; }

static bool is_content_type(span text, envelope_kind kind) {
  static const char before[] = "application/vnd.hypha.", after[] = "+cbor";
  uint32_t name = (uint32_t)strlen(kinds[kind]);
  return text.length == sizeof before - 1 + name + sizeof after - 1 && memcmp(text.at, before, sizeof before - 1) == 0 &&
         memcmp(text.at + sizeof before - 1, kinds[kind], name) == 0 && memcmp(text.at + sizeof before - 1 + name, after, sizeof after - 1) == 0;
}

/** A protected header with exactly so many labels: any other is refused, so an unknown critical one is too (RFC 9052, 3.1). */
static code read_header(cbor item, uint32_t labels, span *bytes, cbor *map) {
  if (!is(item, cbor_bytes) || cbor_argument(item) > most_header) return code_envelope_malformed;
  *bytes = cbor_content(item);
  TRY(cbor_check(*bytes, CBOR_NO_TAG));
  *map = bytes->at;
  return is(*map, cbor_map) && cbor_argument(*map) == labels ? code_ok : code_envelope_malformed;
}

static code read_part(span header, cbor map, cbor signature, signature_part *out) {
  cbor algorithm = cbor_get(map, label_algorithm), kid = cbor_get(map, label_kid);
  // EdDSA is −8, which CBOR writes as the negative of 7.
  if (!is(algorithm, cbor_negative) || cbor_argument(algorithm) != 7) return code_envelope_malformed;
  if (!is(kid, cbor_bytes) || cbor_argument(kid) != kid_bytes) return code_envelope_malformed;
  if (!is(signature, cbor_bytes) || cbor_argument(signature) != signature_bytes) return code_envelope_malformed;
  *out = (signature_part){header, cbor_content(kid).at, cbor_content(signature).at};
  return code_ok;
}

/** One signature of a COSE_Sign. */
static code read_signature(cbor item, signature_part *out) {
  if (!is_array_of(item, 3)) return code_envelope_malformed;
  cbor header = cbor_first(item), unprotected = cbor_next(header);
  if (!is_empty_map(unprotected)) return code_envelope_malformed;
  span bytes;
  cbor map;
  TRY(read_header(header, 2, &bytes, &map));
  return read_part(bytes, map, cbor_next(unprotected), out);
}

static code check_signatures(cbor all) {
  if (!is(all, cbor_array) || cbor_argument(all) == 0 || cbor_argument(all) > most_keys) return code_envelope_malformed;
  uint32_t count = cbor_argument(all);
  const uint8_t *kids[most_keys];
  cbor at = cbor_first(all);
  for (uint32_t i = 0; i < count; i++, at = cbor_next(at)) {
    signature_part part;
    TRY(read_signature(at, &part));
    for (uint32_t j = 0; j < i; j++)
      if (memcmp(kids[j], part.kid, kid_bytes) == 0) return code_envelope_malformed;
    kids[i] = part.kid;
  }
  return code_ok;
}

code cose_open(span bytes, envelope_kind kind, uint32_t most_bytes, envelope *out) {
  if (bytes.length > most_bytes) return code_bytes_too_long;
  if (bytes.length == 0) return code_bytes_truncated;
  uint32_t tag = bytes.at[0] == (0xc0 | tag_sign1) ? tag_sign1 : tag_sign;
  TRY(cbor_check(bytes, tag));
  if (!is(bytes.at, cbor_tag)) return code_envelope_malformed;
  cbor fields = cbor_first(bytes.at);
  if (!is_array_of(fields, 4)) return code_envelope_malformed;
  cbor body = cbor_first(fields), unprotected = cbor_next(body), payload = cbor_next(unprotected), rest = cbor_next(payload);
  // Nothing in unprotected headers: what isn't signed could only mislead.
  if (!is_empty_map(unprotected) || !is(payload, cbor_bytes)) return code_envelope_malformed;
  *out = (envelope){kind, tag == tag_sign1, {NULL, 0}, cbor_content(payload), rest};
  cbor map;
  TRY(read_header(body, out->single ? 3 : 1, &out->body, &map));
  cbor type = cbor_get(map, label_content_type);
  if (!cbor_there(type)) return code_envelope_malformed;
  if (!is(type, cbor_text) || !is_content_type(cbor_content(type), kind)) return code_envelope_kind;
  if (!out->single) return check_signatures(rest);
  signature_part part;
  return read_part(out->body, map, rest, &part);
}

/** The head of a byte string. */
static span bytes_head(uint8_t room[5], uint32_t length) {
  if (length < 24) return room[0] = (uint8_t)(0x40 | length), span_of(room, 1);
  if (length < 256) return room[0] = 0x58, room[1] = (uint8_t)length, span_of(room, 2);
  if (length < 65536) return room[0] = 0x59, room[1] = (uint8_t)(length >> 8), room[2] = (uint8_t)length, span_of(room, 3);
  room[0] = 0x5a;
  for (int i = 0; i < 4; i++) room[1 + i] = (uint8_t)(length >> (24 - 8 * i));
  return span_of(room, 5);
}

/** Verifies over the Sig_structure (RFC 9052, 4.4), given in pieces. */
static bool part_verifies(const envelope *opened, const signature_part *part, const uint8_t *key) {
  uint8_t heads[3][5], context[24];
  uint32_t name = (uint32_t)strlen(kinds[opened->kind]);
  context[0] = (uint8_t)(0x40 | (name + 9));
  memcpy(context + 1, "hypha ", 6);
  memcpy(context + 7, kinds[opened->kind], name);
  memcpy(context + 7 + name, " v1", 3);
  span pieces[8];
  int count = 0;
  pieces[count++] = opened->single ? SPAN_TEXT("\x84\x6aSignature1") : SPAN_TEXT("\x85\x69Signature");
  pieces[count++] = bytes_head(heads[0], opened->body.length);
  pieces[count++] = opened->body;
  if (!opened->single) {
    pieces[count++] = bytes_head(heads[1], part->header.length);
    pieces[count++] = part->header;
  }
  pieces[count++] = span_of(context, name + 10);
  pieces[count++] = bytes_head(heads[2], opened->payload.length);
  pieces[count++] = opened->payload;
  return ed25519_verifies(key, part->signature, pieces, count);
}

/** The signature that names a key, if there is one. */
static bool find_part(const envelope *opened, const uint8_t *kid, signature_part *out) {
  if (opened->single) {
    cbor map = opened->body.at;
    return read_part(opened->body, map, opened->signatures, out) == code_ok && memcmp(out->kid, kid, kid_bytes) == 0;
  }
  uint32_t count = cbor_argument(opened->signatures);
  cbor at = cbor_first(opened->signatures);
  for (uint32_t i = 0; i < count; i++, at = cbor_next(at))
    if (read_signature(at, out) == code_ok && memcmp(out->kid, kid, kid_bytes) == 0) return true;
  return false;
}

code cose_threshold(const envelope *opened, const role *by) {
  uint32_t valid = 0;
  bool invalid = false;
  for (uint32_t i = 0; i < by->count && valid < by->threshold; i++) {
    bool again = false;
    for (uint32_t j = 0; j < i; j++) again = again || memcmp(by->keys[i], by->keys[j], public_key_bytes) == 0;
    // The name of a key is only a hint at which one to try: it is made from the key, never believed.
    uint8_t kid[sha256_bytes];
    sha256_of(span_of(by->keys[i], public_key_bytes), kid);
    signature_part part;
    if (again || !find_part(opened, kid, &part)) continue;
    if (part_verifies(opened, &part, by->keys[i])) valid++;
    else invalid = true;
  }
  if (valid >= by->threshold) return code_ok;
  return invalid ? code_signature_invalid : code_threshold_not_met;
}
