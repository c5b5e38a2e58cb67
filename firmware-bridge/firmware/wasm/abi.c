#include "abi.h"

#include "read.h"

#include <string.h>

static const char allocator[] = "cabi_realloc";

enum wasm_error wasm_lift_bytes(const struct wasm_instance *instance, uint32_t pointer, uint32_t length, struct host_bytes *bytes) {
    const struct wasm_memory *memory = instance->memory;
    if (memory == NULL || pointer > memory->bytes || length > memory->bytes - pointer) return wasm_error_trap_pointer;
    bytes->data = memory->data + pointer;
    bytes->length = length;
    return wasm_ok;
}

enum wasm_error wasm_lift_text(const struct wasm_instance *instance, uint32_t pointer, uint32_t length, struct host_bytes *text) {
    enum wasm_error error = wasm_lift_bytes(instance, pointer, length, text);
    if (error == wasm_ok && !wasm_utf8(text->data, length)) error = wasm_error_trap_pointer;
    return error;
}

enum wasm_error wasm_area(const struct wasm_instance *instance, uint32_t pointer, uint32_t align, uint32_t size, uint8_t **area) {
    struct host_bytes bytes;
    if ((pointer & (align - 1)) != 0) return wasm_error_trap_pointer;
    enum wasm_error error = wasm_lift_bytes(instance, pointer, size, &bytes);
    if (error == wasm_ok) *area = instance->memory->data + pointer;
    return error;
}

uint32_t wasm_load_u32(const uint8_t *area) {
    uint32_t value;
    memcpy(&value, area, sizeof value);
    return value;
}

void wasm_store_u32(uint8_t *area, uint32_t value) { memcpy(area, &value, sizeof value); }

enum wasm_error wasm_allocate(struct wasm_instance *instance, uint32_t align, uint32_t size, uint32_t *pointer) {
    struct wasm_export found;
    if (!wasm_find_export(instance->module, allocator, sizeof allocator - 1, &found) || found.kind != wasm_kind_function)
        return wasm_error_unknown_export;
    static const uint8_t numbers[] = {wasm_i32, wasm_i32, wasm_i32, wasm_i32};
    struct wasm_signature signature = wasm_signature_of(instance->module, found.index);
    if (signature.param_count != 4 || signature.result_count != 1 || memcmp(signature.params, numbers, 4) != 0 ||
        signature.results[0] != wasm_i32)
        return wasm_error_signature;
    uint64_t values[4] = {0, 0, align, size};
    bool may_not_leave = instance->may_not_leave;
    instance->may_not_leave = true;
    enum wasm_error error = wasm_call(instance, found.index, values);
    instance->may_not_leave = may_not_leave;
    if (error != wasm_ok) return error;
    *pointer = (uint32_t)values[0];
    uint8_t *area;
    return *pointer == 0 && size > 0 ? wasm_error_trap_allocation : wasm_area(instance, *pointer, align, size, &area);
}

enum wasm_error wasm_lower_bytes(struct wasm_instance *instance, struct host_bytes bytes, uint32_t *pointer) {
    enum wasm_error error = wasm_allocate(instance, 1, bytes.length, pointer);
    if (error == wasm_ok && bytes.length > 0) memcpy(instance->memory->data + *pointer, bytes.data, bytes.length);
    return error;
}
