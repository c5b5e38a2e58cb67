#ifndef HYPHA_WASM_NUMBER_H
#define HYPHA_WASM_NUMBER_H

/* Arithmetic that C doesn't have as WebAssembly defines it. Values are 64-bit slots; the high half of 32-bit ones means nothing. */

#include "wasm.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "linear memory and slots are read as the machine has them");

static inline float as_f32(uint64_t slot) {
    uint32_t bits = (uint32_t)slot;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double as_f64(uint64_t slot) {
    double value;
    memcpy(&value, &slot, sizeof value);
    return value;
}

static inline uint64_t from_f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint64_t from_f64(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

enum wasm_rounding { wasm_ceil, wasm_floor, wasm_trunc, wasm_nearest };

/* To a whole number; f32 goes through f64 without loss. */
double wasm_round(double value, enum wasm_rounding how);
double wasm_sqrt(double value);
/* Smaller (or larger) of two, where -0 is smaller than 0 and NaN wins. */
double wasm_minimum(double a, double b);
double wasm_maximum(double a, double b);
/* To i32_s, i32_u, i64_s or i64_u, by the low two bits of `to`. */
enum wasm_error wasm_truncate(double value, unsigned to, bool saturate, uint64_t *result);

#endif
