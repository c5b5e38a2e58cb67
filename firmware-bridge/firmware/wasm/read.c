#include "read.h"

void wasm_reader_fail(struct wasm_reader *reader, enum wasm_error error) {
    if (reader->error == wasm_ok) {
        reader->error = error;
        reader->end = reader->at;
    }
}

uint8_t wasm_read_byte(struct wasm_reader *reader) {
    if (reader->at >= reader->end) {
        wasm_reader_fail(reader, wasm_error_end);
        return 0;
    }
    return *reader->at++;
}

uint32_t wasm_read_u32(struct wasm_reader *reader) {
    uint32_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = wasm_read_byte(reader);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (shift == 28 && byte > 0x0f) {
            wasm_reader_fail(reader, wasm_error_integer);
            return 0;
        }
        if (byte < 0x80) return value;
    }
}

int64_t wasm_read_signed(struct wasm_reader *reader, unsigned bits) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = wasm_read_byte(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (shift + 7 >= bits) {
            /* The bits that aren't used repeat the sign. */
            int8_t unused = (int8_t)((int8_t)(byte << 1) >> (bits - shift));
            if (byte >= 0x80 || (unused != 0 && unused != -1)) {
                wasm_reader_fail(reader, wasm_error_integer);
                return 0;
            }
        }
        if (byte < 0x80) {
            if (shift + 7 < 64 && (byte & 0x40) != 0) value |= ~(uint64_t)0 << (shift + 7);
            return (int64_t)value;
        }
    }
}

void wasm_read_skip(struct wasm_reader *reader, uint32_t length) {
    if ((size_t)(reader->end - reader->at) < length)
        wasm_reader_fail(reader, wasm_error_end);
    else
        reader->at += length;
}

/* The Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing over U+10FFFF. */
bool wasm_utf8(const uint8_t *at, uint32_t length) {
    const uint8_t *end = at + length;
    while (at < end) {
        uint8_t lead = *at++;
        unsigned more = lead < 0x80 ? 0 : lead < 0xc2 ? 4 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 4;
        if (more > 3 || (size_t)(end - at) < more) return false;
        if (more == 0) continue;
        uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        for (; more > 0; more--, low = 0x80, high = 0xbf) {
            uint8_t next = *at++;
            if (next < low || next > high) return false;
        }
    }
    return true;
}

struct wasm_name wasm_read_name(struct wasm_reader *reader) {
    struct wasm_name name;
    name.length = wasm_read_u32(reader);
    name.bytes = reader->at;
    wasm_read_skip(reader, name.length);
    if (reader->error != wasm_ok)
        name.length = 0;
    else if (!wasm_utf8(name.bytes, name.length))
        wasm_reader_fail(reader, wasm_error_utf8);
    return name;
}

uint8_t wasm_read_reference_type(struct wasm_reader *reader) {
    uint8_t type = wasm_read_byte(reader);
    if (type != wasm_funcref && type != wasm_externref) wasm_reader_fail(reader, wasm_error_malformed);
    return type;
}

uint8_t wasm_read_value_type(struct wasm_reader *reader) {
    uint8_t type = wasm_read_byte(reader);
    if (type >= wasm_f64 || type == wasm_funcref || type == wasm_externref) {
        if (type <= wasm_i32) return type;
    }
    wasm_reader_fail(reader, type == 0x7b ? wasm_error_unsupported : wasm_error_malformed);
    return 0;
}

bool wasm_read_mutability(struct wasm_reader *reader) {
    uint8_t flag = wasm_read_byte(reader);
    if (flag > 1) wasm_reader_fail(reader, wasm_error_malformed);
    return flag == 1;
}

uint32_t wasm_read_count(struct wasm_reader *reader) {
    uint32_t count = wasm_read_u32(reader);
    if (count > (size_t)(reader->end - reader->at)) wasm_reader_fail(reader, wasm_error_end);
    return reader->error == wasm_ok ? count : 0;
}

void wasm_read_limits(struct wasm_reader *reader, struct wasm_limits *limits, uint32_t cap) {
    uint8_t flags = wasm_read_byte(reader);
    if (flags > 1) wasm_reader_fail(reader, flags < 8 ? wasm_error_unsupported : wasm_error_malformed);
    limits->has_maximum = flags == 1;
    limits->minimum = wasm_read_u32(reader);
    limits->maximum = limits->has_maximum ? wasm_read_u32(reader) : cap;
    if (limits->minimum > limits->maximum || limits->maximum > cap) wasm_reader_fail(reader, wasm_error_limits);
}

void wasm_read_import(struct wasm_reader *reader, struct wasm_import *import) {
    import->module = wasm_read_name(reader);
    import->name = wasm_read_name(reader);
    uint8_t kind = wasm_read_byte(reader);
    import->kind = (enum wasm_kind)kind;
    struct wasm_limits limits = {0, 0, false};
    if (kind == wasm_kind_function) {
        import->type_index = wasm_read_u32(reader);
    } else if (kind == wasm_kind_table) {
        import->type = wasm_read_reference_type(reader);
        wasm_read_limits(reader, &limits, UINT32_MAX);
    } else if (kind == wasm_kind_memory) {
        wasm_read_limits(reader, &limits, WASM_PAGE);
    } else if (kind == wasm_kind_global) {
        import->type = wasm_read_value_type(reader);
        import->is_mutable = wasm_read_mutability(reader);
    } else {
        wasm_reader_fail(reader, kind == 4 ? wasm_error_unsupported : wasm_error_malformed);
    }
    import->minimum = limits.minimum;
    import->maximum = limits.maximum;
    import->has_maximum = limits.has_maximum;
}

void wasm_read_export(struct wasm_reader *reader, struct wasm_export *export) {
    export->name = wasm_read_name(reader);
    uint8_t kind = wasm_read_byte(reader);
    if (kind > wasm_kind_global) wasm_reader_fail(reader, kind == 4 ? wasm_error_unsupported : wasm_error_malformed);
    export->kind = (enum wasm_kind)kind;
    export->index = wasm_read_u32(reader);
}
