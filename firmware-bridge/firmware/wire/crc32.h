#ifndef HYPHA_CRC32_H
#define HYPHA_CRC32_H

#include <stdint.h>

/** CRC-32 of ISO 3309 [S 2.5], in steps: begun with `crc32_begin`, ended with `crc32_end`. */
#define crc32_begin 0xffffffffu
uint32_t crc32_step(uint32_t crc, const uint8_t *bytes, uint32_t count);
static inline uint32_t crc32_end(uint32_t crc) { return ~crc; }

#endif
