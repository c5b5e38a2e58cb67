#include "validate.h"

#include <string.h>

void *wasm_scratch(struct validator *v, uint32_t bytes) {
    if ((size_t)(v->high - v->low) < bytes) {
        fail(v, wasm_error_scratch);
        return NULL;
    }
    uint8_t *room = v->low;
    v->low += bytes;
    memset(room, 0, bytes);
    return room;
}

void wasm_emit(struct validator *v, uint32_t at, const void *bytes, uint32_t length) {
    if (v->in.error != wasm_ok) return;
    const struct wasm_sink *sink = v->sink;
    if (at > sink->capacity || sink->capacity - at < length || !sink->write(sink->context, at, bytes, length))
        fail(v, wasm_error_side_table);
}

const struct wasm_table_type *wasm_type_at(struct validator *v, uint32_t index) {
    if (index < v->module->types) return wasm_types(v->module) + index;
    fail(v, wasm_error_unknown_type);
    return NULL;
}

bool wasm_is_declared(const struct validator *v, uint32_t function) { return (v->declared[function >> 3] >> (function & 7) & 1) != 0; }
