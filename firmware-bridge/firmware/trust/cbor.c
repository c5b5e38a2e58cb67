#include "cbor.h"

#include "../wasm/read.h"

enum { most_depth = 16 };

/** Where reading has come to. */
typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} reader;

static uint32_t left(const reader *r) { return (uint32_t)(r->end - r->at); }

/** Behind the head of an item. */
static const uint8_t *head(cbor item, uint64_t *argument) {
  *argument = 0;
  if (item == NULL) return NULL;
  uint32_t info = *item++ & 0x1f;
  if (info < 24) *argument = info;
  else
    for (uint32_t width = 1u << (info - 24); width > 0; width--) *argument = *argument << 8 | *item++;
  return item;
}

static code check_item(reader *r, uint32_t tag, int depth);

static bool same_key(cbor a, cbor b) {
  uint64_t number_a, number_b;
  const uint8_t *text_a = head(a, &number_a), *text_b = head(b, &number_b);
  return cbor_major(a) == cbor_major(b) && number_a == number_b && (cbor_major(a) != cbor_text || memcmp(text_a, text_b, (size_t)number_a) == 0);
}

/** Keys are compared with all before them: no memory for a set is needed, and a map in so few bytes has few. */
static code check_map(reader *r, uint32_t count, uint32_t tag, int depth) {
  const uint8_t *first = r->at;
  for (; count > 0; count--) {
    const uint8_t *key = r->at;
    if (left(r) == 0) return code_bytes_truncated;
    int major = *key >> 5;
    if (major != cbor_uint && major != cbor_negative && major != cbor_text) return code_bytes_malformed;
    TRY(check_item(r, tag, depth + 1));
    for (cbor earlier = first; earlier != key; earlier = cbor_next(cbor_next(earlier)))
      if (same_key(earlier, key)) return code_bytes_malformed;
    TRY(check_item(r, tag, depth + 1));
  }
  return code_ok;
}

static code check_item(reader *r, uint32_t tag, int depth) {
  if (depth > most_depth) return code_bytes_malformed;
  if (left(r) == 0) return code_bytes_truncated;
  int major = cbor_major(r->at), info = *r->at & 0x1f;
  if (info > 27) return code_bytes_malformed;
  if (info >= 24 && left(r) < 1 + (1u << (info - 24))) return code_bytes_truncated;
  uint64_t wide;
  r->at = head(r->at, &wide);
  // Of what is left nothing can be longer, or have more items: but for numbers that aren't looked at, and tags.
  uint32_t argument = wide > 0xfffffffe ? 0xfffffffe : (uint32_t)wide;
  switch (major) {
    case cbor_bytes:
    case cbor_text:
      if (argument > left(r)) return code_bytes_truncated;
      if (major == cbor_text && !wasm_utf8(r->at, argument)) return code_bytes_malformed;
      r->at += argument;
      return code_ok;
    case cbor_array:
      if (argument > left(r)) return code_bytes_truncated;
      for (; argument > 0; argument--) TRY(check_item(r, tag, depth + 1));
      return code_ok;
    case cbor_map:
      if (argument > left(r) / 2) return code_bytes_truncated;
      return check_map(r, argument, tag, depth);
    case cbor_tag:
      return argument == tag ? check_item(r, tag, depth + 1) : code_bytes_malformed;
    default:
      return code_ok;
  }
}

code cbor_check(span bytes, uint32_t tag) {
  reader r = {bytes.at, bytes.at + bytes.length};
  TRY(check_item(&r, tag, 0));
  return left(&r) == 0 ? code_ok : code_bytes_malformed;
}

bool cbor_there(cbor item) { return item != NULL && *item != 0xf6 && *item != 0xf7; }

uint64_t cbor_wide(cbor item) {
  uint64_t argument;
  head(item, &argument);
  return argument;
}

uint32_t cbor_argument(cbor item) { return (uint32_t)cbor_wide(item); }

span cbor_content(cbor item) {
  uint64_t argument;
  const uint8_t *at = head(item, &argument);
  return (span){at, (uint32_t)argument};
}

bool cbor_content_is(cbor item, span bytes) { return span_equal(cbor_content(item), bytes); }

cbor cbor_first(cbor item) {
  uint64_t argument;
  const uint8_t *at = head(item, &argument);
  return argument == 0 && at != NULL && cbor_major(item) != cbor_tag ? NULL : at;
}

cbor cbor_next(cbor item) {
  // Items still to be passed over, the children of those passed included.
  for (uint32_t pending = 1; pending > 0; pending--) {
    int major = cbor_major(item);
    uint64_t argument;
    item = head(item, &argument);
    uint32_t many = (uint32_t)argument;
    if (major == cbor_bytes || major == cbor_text) item += many;
    if (major == cbor_array) pending += many;
    if (major == cbor_map) pending += 2 * many;
    if (major == cbor_tag) pending++;
  }
  return item;
}

cbor cbor_step(cbor walk[2]) {
  if (walk[1] != NULL) walk[0] = cbor_next(walk[0]);
  else {
    if (count_of(walk[0]) == 0) return NULL;
    walk[1] = cbor_next(walk[0]);
    walk[0] = cbor_first(walk[0]);
  }
  return walk[0] != walk[1] ? walk[0] : NULL;
}

cbor cbor_get(cbor map, uint32_t key) {
  cbor at = cbor_first(map);
  for (uint32_t left_over = cbor_argument(map); left_over > 0; left_over--) {
    cbor value = cbor_next(at);
    if (cbor_major(at) == cbor_uint && cbor_wide(at) == key) return value;
    at = cbor_next(value);
  }
  return NULL;
}

span content_of(cbor map, uint32_t key) { return cbor_content(cbor_get(map, key)); }

bool content_is(cbor map, uint32_t key, span bytes) { return cbor_content_is(cbor_get(map, key), bytes); }

uint32_t number_of(cbor map, uint32_t key) { return cbor_argument(cbor_get(map, key)); }

uint32_t count_of(cbor list) { return cbor_there(list) ? cbor_argument(list) : 0; }
