#include "values.h"

#include "../../wasm/number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

const char *type_name(uint8_t type) {
    switch (type) {
    case wasm_i32: return "i32";
    case wasm_i64: return "i64";
    case wasm_f32: return "f32";
    case wasm_f64: return "f64";
    case wasm_funcref: return "funcref";
    default: return "externref";
    }
}

static bool parse_integer(const char *text, unsigned bits, uint64_t *value) {
    char *end;
    errno = 0;
    bool is_negative = text[0] == '-';
    uint64_t magnitude = strtoull(text + is_negative, &end, 0);
    if (errno != 0 || end == text + is_negative || *end != 0) return false;
    uint64_t limit = is_negative ? (uint64_t)1 << (bits - 1) : UINT64_MAX >> (64 - bits);
    *value = is_negative ? -magnitude : magnitude;
    return magnitude <= limit;
}

bool value_parse(uint8_t type, const char *text, uint64_t *value) {
    char *end;
    switch (type) {
    case wasm_i32: return parse_integer(text, 32, value);
    case wasm_i64: return parse_integer(text, 64, value);
    case wasm_f32: *value = from_f32(strtof(text, &end)); break;
    case wasm_f64: *value = from_f64(strtod(text, &end)); break;
    default: *value = WASM_NULL; return strcmp(text, "null") == 0;
    }
    return end != text && *end == 0;
}

void value_print(FILE *file, uint8_t type, uint64_t value) {
    fprintf(file, "%s:", type_name(type));
    if (type == wasm_i32)
        fprintf(file, "%" PRId32, (int32_t)value);
    else if (type == wasm_i64)
        fprintf(file, "%" PRId64, (int64_t)value);
    else if (type == wasm_f32 && as_f32(value) != as_f32(value))
        fprintf(file, "nan:0x%08" PRIx32, (uint32_t)value);
    else if (type == wasm_f64 && as_f64(value) != as_f64(value))
        fprintf(file, "nan:0x%016" PRIx64, value);
    else if (type == wasm_f32)
        fprintf(file, "%.9g", as_f32(value));
    else if (type == wasm_f64)
        fprintf(file, "%.17g", as_f64(value));
    else if ((uint32_t)value == WASM_NULL)
        fputs("null", file);
    else
        fprintf(file, "%" PRIu32, (uint32_t)value);
}
