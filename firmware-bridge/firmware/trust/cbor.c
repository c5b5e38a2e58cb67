#include "cbor.h"

enum { most_depth = 16 };

/** Where reading has come to. */
typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} reader;

static uint32_t left(const reader *r) { return (uint32_t)(r->end - r->at); }

static code read_head(reader *r, int *major, uint64_t *argument) {
  *major = cbor_simple;
  *argument = 0;
  if (left(r) == 0) return code_bytes_truncated;
  uint8_t first = *r->at++;
  uint8_t info = first & 0x1f;
  *major = first >> 5;
  *argument = info;
  if (info < 24) return code_ok;
  if (info > 27) return code_bytes_malformed;
  uint32_t width = 1u << (info - 24);
  if (left(r) < width) return code_bytes_truncated;
  *argument = 0;
  for (; width > 0; width--) *argument = *argument << 8 | *r->at++;
  return code_ok;
}

/** Well-formed UTF-8 (Unicode 15, table 3-7). */
static bool is_utf8(const uint8_t *at, const uint8_t *end) {
  while (at < end) {
    uint8_t lead = *at++;
    if (lead < 0x80) continue;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || end - at < more) return false;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[0] < low || at[0] > high) return false;
    for (int i = 1; i < more; i++)
      if ((at[i] & 0xc0) != 0x80) return false;
    at += more;
  }
  return true;
}

static code check_item(reader *r, uint32_t tag, int depth);

static bool same_key(const uint8_t *a, const uint8_t *b, const uint8_t *end) {
  reader ra = {a, end}, rb = {b, end};
  int major_a, major_b;
  uint64_t na, nb;
  read_head(&ra, &major_a, &na);
  read_head(&rb, &major_b, &nb);
  return major_a == major_b && na == nb && (major_a != cbor_text || memcmp(ra.at, rb.at, (size_t)na) == 0);
}

/** Keys are compared with all before them: no memory for a set is needed, and a map in so few bytes has few. */
static code check_map(reader *r, uint64_t count, uint32_t tag, int depth) {
  const uint8_t *first = r->at;
  for (uint64_t i = 0; i < count; i++) {
    const uint8_t *key = r->at;
    if (left(r) == 0) return code_bytes_truncated;
    int major = *key >> 5;
    if (major != cbor_uint && major != cbor_negative && major != cbor_text) return code_bytes_malformed;
    TRY(check_item(r, tag, depth + 1));
    cbor earlier = {first, (uint32_t)(r->end - first)};
    for (uint64_t j = 0; j < i; j++) {
      if (same_key(earlier.at, key, r->end)) return code_bytes_malformed;
      earlier = cbor_next(cbor_next(earlier));
    }
    TRY(check_item(r, tag, depth + 1));
  }
  return code_ok;
}

static code check_item(reader *r, uint32_t tag, int depth) {
  if (depth > most_depth) return code_bytes_malformed;
  int major;
  uint64_t argument;
  TRY(read_head(r, &major, &argument));
  switch (major) {
    case cbor_bytes:
    case cbor_text:
      if (argument > left(r)) return code_bytes_truncated;
      if (major == cbor_text && !is_utf8(r->at, r->at + argument)) return code_bytes_malformed;
      r->at += argument;
      return code_ok;
    case cbor_array:
      if (argument > left(r)) return code_bytes_truncated;
      for (uint64_t i = 0; i < argument; i++) TRY(check_item(r, tag, depth + 1));
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

static reader inside(cbor item, int *major, uint64_t *argument) {
  reader r = {item.at, item.at + item.length};
  read_head(&r, major, argument);
  return r;
}

bool cbor_there(cbor item) { return item.at != NULL && item.length > 0 && item.at[0] != 0xf6 && item.at[0] != 0xf7; }

uint64_t cbor_argument(cbor item) {
  int major;
  uint64_t argument;
  inside(item, &major, &argument);
  return argument;
}

span cbor_content(cbor item) {
  int major;
  uint64_t argument;
  reader r = inside(item, &major, &argument);
  return (span){r.at, (uint32_t)argument};
}

cbor cbor_first(cbor item) {
  int major;
  uint64_t argument;
  reader r = inside(item, &major, &argument);
  return argument == 0 && major != cbor_tag ? (cbor){NULL, 0} : (cbor){r.at, left(&r)};
}

cbor cbor_next(cbor item) {
  reader r = {item.at, item.at + item.length};
  // Items still to be passed over, the children of those passed included.
  for (uint64_t pending = 1; pending > 0; pending--) {
    int major;
    uint64_t argument;
    if (read_head(&r, &major, &argument) != code_ok) return (cbor){NULL, 0};
    if (major == cbor_bytes || major == cbor_text) r.at += argument;
    if (major == cbor_array) pending += argument;
    if (major == cbor_map) pending += 2 * argument;
    if (major == cbor_tag) pending++;
  }
  return (cbor){r.at, left(&r)};
}

cbor cbor_get(cbor map, uint32_t key) {
  uint64_t count = cbor_argument(map);
  cbor at = cbor_first(map);
  for (uint64_t i = 0; i < count; i++) {
    cbor value = cbor_next(at);
    if (cbor_major(at) == cbor_uint && cbor_argument(at) == key) return value;
    at = cbor_next(value);
  }
  return (cbor){NULL, 0};
}
