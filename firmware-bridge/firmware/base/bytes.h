// Bytes that lie elsewhere, most of them in flash: the firmware passes them around by where they are, and copies them as late as it can.
#ifndef HYPHA_BYTES_H
#define HYPHA_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  const uint8_t *at;
  uint32_t length;
} span;

static inline span span_of(const void *at, uint32_t length) { return (span){(const uint8_t *)at, length}; }

static inline bool span_equal(span a, span b) { return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0); }

#define SPAN_TEXT(text) ((span){(const uint8_t *)(text), sizeof(text) - 1})

static inline uint32_t load32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void store32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

#endif
