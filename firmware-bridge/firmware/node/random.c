#include "random.h"

#include "../burnt.h"
#include "../trust/ed25519.h"
#include "../trust/sha256.h"

static const span no_name = {NULL, 0};

static struct {
  uint8_t secret[32];
  uint32_t start, number;
} source;

void random_bytes(uint8_t *bytes, uint32_t count) {
  uint8_t out[32];
  for (uint32_t at = 0; at < count; at += sizeof out) {
    hmac mac;
    hmac_begin(&mac, span_of(source.secret, sizeof source.secret));
    source.number++;
    hmac_add(&mac, "hypha random", 12);
    hmac_add(&mac, &source.start, 4);
    hmac_add(&mac, &source.number, 4);
    hmac_end(&mac, out);
    memcpy(bytes + at, out, count - at < sizeof out ? count - at : sizeof out);
  }
}

static code make_key(held *in) {
  if (burnt.seed.length == 32) memcpy(in->seed, burnt.seed.at, 32);
  else if (!board_entropy(in->seed, 32)) return code_board_key;
  ed25519_public(in->key, in->seed);
  span pieces[2] = {span_of(in->seed, 32), span_of(in->key, 32)};
  return records_put(&in->store, record_key, no_name, pieces, 2);
}

code identity_open(held *in) {
  span key = records_get(&in->store, record_key, no_name);
  if (key.length == 64) {
    memcpy(in->seed, key.at, 32);
    memcpy(in->key, key.at + 32, 32);
  } else TRY(make_key(in));
  memcpy(source.secret, in->seed, 32);
  span starts = records_get(&in->store, record_journal, no_name);
  source.start = starts.length == 4 ? load32(starts.at) + 1 : 1;
  uint8_t bytes[4];
  store32(bytes, source.start);
  span value = span_of(bytes, 4);
  TRY(records_put(&in->store, record_journal, no_name, &value, 1));
  // Without a name of its own: the first bytes of its key.
  static char id[12] = "mcu-";
  for (int i = 0; i < 8; i++) id[4 + i] = "0123456789abcdef"[in->key[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
  in->id = burnt.id.length > 0 ? burnt.id : span_of(id, sizeof id);
  span root = records_get(&in->store, record_root, no_name);
  // A board that was flashed anew may have newer root metadata; what was followed over the line is never replaced by older one.
  bool newer = burnt.root.length > 0 && (root.length == 0 || number_of(burnt.root.at, root_version) > number_of(root.at, root_version));
  return newer ? records_put(&in->store, record_root, no_name, &burnt.root, 1) : code_ok;
}
