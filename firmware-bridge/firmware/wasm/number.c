#include "number.h"

#define FRACTION_BITS 52
#define EXPONENT_BIAS 1023
#define SIGN ((uint64_t)1 << 63)
#define ONE ((uint64_t)EXPONENT_BIAS << FRACTION_BITS)

static int exponent_of(uint64_t bits) { return (int)(bits >> FRACTION_BITS & 0x7ff) - EXPONENT_BIAS; }

static bool rounds_small_to_one(uint64_t bits, enum wasm_rounding how) {
    uint64_t magnitude = bits & ~SIGN;
    if (magnitude == 0 || how == wasm_trunc) return false;
    if (how == wasm_nearest) return magnitude > ONE - ((uint64_t)1 << FRACTION_BITS);
    return (how == wasm_floor) == ((bits & SIGN) != 0);
}

double wasm_round(double value, enum wasm_rounding how) {
    uint64_t bits = from_f64(value);
    int exponent = exponent_of(bits);
    if (value != value) return value + value;
    if (exponent >= FRACTION_BITS) return value;
    if (exponent < 0) return as_f64((bits & SIGN) | (rounds_small_to_one(bits, how) ? ONE : 0));
    uint64_t fraction = ((uint64_t)1 << (FRACTION_BITS - exponent)) - 1;
    if ((bits & fraction) == 0) return value;
    if (how == wasm_nearest)
        bits += (fraction >> 1) + (bits >> (FRACTION_BITS - exponent) & 1);
    else if (how != wasm_trunc && (how == wasm_floor) == ((bits & SIGN) != 0))
        bits += fraction;
    return as_f64(bits & ~fraction);
}

#if defined(__SSE2__) || defined(__aarch64__)

double wasm_sqrt(double value) { return __builtin_sqrt(value); }

#else

/* Bit by bit, exact: for cores without an instruction for it. */
double wasm_sqrt(double value) {
    uint64_t bits = from_f64(value);
    if (value != value || (bits & ~SIGN) == 0 || bits == (uint64_t)0x7ff << FRACTION_BITS) return value + value;
    if ((bits & SIGN) != 0) return as_f64((uint64_t)0x7ff8 << 48);
    int exponent = exponent_of(bits);
    uint64_t rest = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    if (exponent == -EXPONENT_BIAS)
        for (exponent++; rest >> FRACTION_BITS == 0; exponent--) rest <<= 1;
    else
        rest |= (uint64_t)1 << FRACTION_BITS;
    if ((exponent & 1) != 0) {
        rest <<= 1;
        exponent--;
    }
    rest <<= 1;
    uint64_t root = 0, sum = 0;
    for (uint64_t bit = (uint64_t)1 << 53; bit != 0; bit >>= 1) {
        if (sum + bit <= rest) {
            rest -= sum + bit;
            sum += 2 * bit;
            root += bit;
        }
        rest <<= 1;
    }
    if (rest != 0) root += root & 1;
    return as_f64((root >> 1) + ((uint64_t)(exponent / 2 + EXPONENT_BIAS - 1) << FRACTION_BITS));
}

#endif

double wasm_minimum(double a, double b) {
    if (a != a || b != b) return a + b;
    if (a == b) return as_f64(from_f64(a) | from_f64(b));
    return a < b ? a : b;
}

double wasm_maximum(double a, double b) {
    if (a != a || b != b) return a + b;
    if (a == b) return as_f64(from_f64(a) & from_f64(b));
    return a > b ? a : b;
}

enum wasm_error wasm_truncate(double value, unsigned to, bool saturate, uint64_t *result) {
    /* Whole numbers that are just too small and just too large. */
    static const double too_small[] = {-2147483649.0, -1.0, -9223372036854777856.0, -1.0};
    static const double too_large[] = {2147483648.0, 4294967296.0, 9223372036854775808.0, 18446744073709551616.0};
    to &= 3;
    bool is_signed = (to & 1) == 0;
    bool is_wide = to >= 2;
    if (value > too_small[to] && value < too_large[to]) {
        *result = is_signed ? (uint64_t)(int64_t)value : (uint64_t)value;
        return wasm_ok;
    }
    if (!saturate) return value != value ? wasm_error_trap_conversion : wasm_error_trap_overflow;
    uint64_t largest = is_wide ? UINT64_MAX : UINT32_MAX;
    if (is_signed) largest >>= 1;
    *result = value != value ? 0 : value > 0 ? largest : is_signed ? ~largest : 0;
    return wasm_ok;
}
