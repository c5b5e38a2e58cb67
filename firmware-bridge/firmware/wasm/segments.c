#include "instance.h"

#include <string.h>

/* What instances are made of and instructions name: constants and segments, which validation took, globals and references. */

uint64_t wasm_read_constant(struct wasm_reader *reader, const struct wasm_instance *instance) {
    uint64_t value = 0;
    for (;;) {
        uint8_t opcode = wasm_read_byte(reader);
        if (opcode == 0x41) value = (uint32_t)wasm_read_signed(reader, 32);
        if (opcode == 0x42) value = (uint64_t)wasm_read_signed(reader, 64);
        if (opcode == 0x43 || opcode == 0x44) {
            uint32_t width = opcode == 0x43 ? 4 : 8;
            const uint8_t *bits = reader->at;
            wasm_read_skip(reader, width);
            value = 0;
            if (reader->error == wasm_ok) memcpy(&value, bits, width);
        }
        if (opcode == 0x23) {
            uint32_t index = wasm_read_u32(reader);
            value = instance == NULL ? 0 : *instance->imported_globals[index];
        }
        if (opcode == 0xd0) {
            wasm_read_byte(reader);
            value = WASM_NULL;
        }
        if (opcode == 0xd2) {
            uint32_t function = wasm_read_u32(reader);
            value = instance == NULL ? 0 : wasm_function_ref(instance, function);
        }
        if (opcode == 0x0b || reader->error != wasm_ok) return value;
    }
}

void wasm_read_element_segment(struct wasm_reader *reader, const struct wasm_instance *instance, struct wasm_segment *segment) {
    uint32_t flags = wasm_read_u32(reader);
    segment->flags = flags;
    segment->target = (flags & 3) == 2 ? wasm_read_u32(reader) : 0;
    segment->offset = (flags & 1) == 0 ? (uint32_t)wasm_read_constant(reader, instance) : 0;
    if ((flags & 3) != 0) wasm_read_byte(reader);
    segment->count = wasm_read_u32(reader);
    segment->at = reader->at;
    for (uint32_t index = 0; index < segment->count; index++) {
        if ((flags & 4) != 0)
            wasm_read_constant(reader, instance);
        else
            wasm_read_u32(reader);
    }
}

void wasm_read_data_segment(struct wasm_reader *reader, const struct wasm_instance *instance, struct wasm_segment *segment) {
    segment->flags = wasm_read_u32(reader);
    segment->target = segment->flags == 2 ? wasm_read_u32(reader) : 0;
    segment->offset = segment->flags != 1 ? (uint32_t)wasm_read_constant(reader, instance) : 0;
    segment->count = wasm_read_u32(reader);
    segment->at = reader->at;
    wasm_read_skip(reader, segment->count);
}

bool wasm_is_dropped(const struct wasm_instance *instance, uint32_t bit) { return (instance->dropped[bit >> 3] >> (bit & 7) & 1) != 0; }

void wasm_drop(struct wasm_instance *instance, uint32_t bit) { instance->dropped[bit >> 3] |= (uint8_t)(1u << (bit & 7)); }

uint32_t wasm_function_ref(const struct wasm_instance *instance, uint32_t function) {
    return (uint32_t)instance->id << WASM_REF_BITS | function;
}

uint64_t *wasm_global(struct wasm_instance *instance, uint32_t index) {
    uint32_t imported = instance->module->imported_globals;
    return index < imported ? instance->imported_globals[index] : instance->globals + (index - imported);
}
