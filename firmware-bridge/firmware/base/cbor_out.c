#include "cbor_out.h"

static void put(cbor_out *out, uint8_t byte) {
  if (out->length < out->room) out->at[out->length] = byte;
  out->length++;
}

void out_raw(cbor_out *out, span bytes) {
  if (bytes.length > 0 && out->length <= out->room && bytes.length <= out->room - out->length) memcpy(out->at + out->length, bytes.at, bytes.length);
  out->length += bytes.length;
}

static void put_number(cbor_out *out, uint64_t value, int bytes) {
  while (bytes-- > 0) put(out, (uint8_t)(value >> (8 * bytes)));
}

void out_head(cbor_out *out, int major, uint64_t argument) {
  uint8_t first = (uint8_t)(major << 5);
  if (argument < 24) return put(out, (uint8_t)(first | argument));
  int width = argument <= 0xff ? 0 : argument <= 0xffff ? 1 : argument <= 0xffffffff ? 2 : 3;
  put(out, (uint8_t)(first | (24 + width)));
  put_number(out, argument, 1 << width);
}

void out_uint(cbor_out *out, uint64_t value) { out_head(out, 0, value); }

void out_bytes(cbor_out *out, span bytes) {
  out_head(out, 2, bytes.length);
  out_raw(out, bytes);
}

void out_text(cbor_out *out, span text) {
  out_head(out, 3, text.length);
  out_raw(out, text);
}

void out_words(cbor_out *out, const char *text) { out_text(out, span_of(text, (uint32_t)strlen(text))); }

void out_bool(cbor_out *out, bool value) { put(out, value ? 0xf5 : 0xf4); }

void out_float(cbor_out *out, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put(out, 0xfb);
  put_number(out, bits, 8);
}

void field_uint(cbor_out *out, uint32_t key, uint64_t value) {
  out_key(out, key);
  out_uint(out, value);
}

void field_bytes(cbor_out *out, uint32_t key, span bytes) {
  out_key(out, key);
  out_bytes(out, bytes);
}

void field_text(cbor_out *out, uint32_t key, span text) {
  out_key(out, key);
  out_text(out, text);
}

void field_words(cbor_out *out, uint32_t key, const char *text) {
  out_key(out, key);
  out_words(out, text);
}
