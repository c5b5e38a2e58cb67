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

bool span_equal(span a, span b);

#define SPAN_TEXT(text) ((span){(const uint8_t *)(text), sizeof(text) - 1})

/* Numbers of which the lowest byte comes first, wherever they lie. */
static inline uint32_t load32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void store32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)(value >> 16);
  at[3] = (uint8_t)(value >> 24);
}

#endif
