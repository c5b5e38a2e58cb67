#include "random.h"

#include "../burnt.h"
#include "../trust/ed25519.h"
#include "../trust/sha256.h"

static const span no_name = {NULL, 0};

static struct {
  /** Whose key is the secret. */
  const held *of;
  uint32_t start, number;
} source;

void random_bytes(uint8_t *bytes, uint32_t count) {
  uint8_t out[32];
  for (uint32_t at = 0; at < count; at += sizeof out) {
    hmac mac;
    span key = source.of != NULL ? held_key(source.of) : no_name;
    hmac_begin(&mac, span_of(key.at, key.length / 2));
    source.number++;
    hmac_add(&mac, "hypha random", 12);
    hmac_add(&mac, &source.start, 4);
    hmac_add(&mac, &source.number, 4);
    hmac_end(&mac, out);
    memcpy(bytes + at, out, count - at < sizeof out ? count - at : sizeof out);
  }
}

static code make_key(held *in) {
  uint8_t both[64];
  if (burnt.seed.length == 32) memcpy(both, burnt.seed.at, 32);
  else if (!board_entropy(both, 32)) return code_board_key;
  ed25519_public(both + 32, both);
  span value = span_of(both, sizeof both);
  return records_put(&in->store, record_key, no_name, &value, 1);
}

code identity_open(held *in) {
  if (held_key(in).length != 64) TRY(make_key(in));
  source.of = in;
  span starts = records_get(&in->store, record_journal, no_name);
  source.start = starts.length == 4 ? load32(starts.at) + 1 : 1;
  uint8_t bytes[4];
  store32(bytes, source.start);
  span value = span_of(bytes, 4);
  TRY(records_put(&in->store, record_journal, no_name, &value, 1));
  // Without a name of its own: the first bytes of its key.
  static char id[12] = "mcu-";
  const uint8_t *key = held_key(in).at + 32;
  for (int i = 0; i < 8; i++) id[4 + i] = "0123456789abcdef"[key[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
  in->id = burnt.id.length > 0 ? burnt.id : span_of(id, sizeof id);
  span root = records_get(&in->store, record_root, no_name);
  // A board that was flashed anew may have newer root metadata; what was followed over the line is never replaced by older one.
  bool newer = burnt.root.length > 0 && (root.length == 0 || number_of(burnt.root.at, root_version) > number_of(root.at, root_version));
  return newer ? records_put(&in->store, record_root, no_name, &burnt.root, 1) : code_ok;
}
