#include "instance.h"

#include <string.h>

static bool is_outside(uint32_t at, uint32_t count, uint32_t size) { return at > size || count > size - at; }

/* So that time is bounded by fuel even where a loop runs in here. */
static enum wasm_error spend(struct wasm_instance *instance, uint32_t count) {
    uint32_t cost = count >> 6;
    wasm_return_fuel(instance);
    if (instance->fuel < cost) {
        instance->fuel = 0;
        return wasm_error_trap_fuel;
    }
    instance->fuel -= cost;
    return wasm_ok;
}

uint32_t wasm_memory_grow(struct wasm_memory *memory, uint32_t pages) {
    uint32_t before = memory->pages;
    if (pages == 0) return before;
    if (memory->bytes != before * WASM_PAGE) return UINT32_MAX;
    if (is_outside(before, pages, memory->maximum) || is_outside(before, pages, memory->capacity / WASM_PAGE)) return UINT32_MAX;
    memset(memory->data + memory->bytes, 0, pages * WASM_PAGE);
    memory->pages += pages;
    memory->bytes += pages * WASM_PAGE;
    return before;
}

static void find_segment(struct wasm_instance *instance, uint8_t section, uint32_t number, struct wasm_segment *segment) {
    struct wasm_reader reader = wasm_reader_at(instance->module, instance->module->sections[section]);
    wasm_read_u32(&reader);
    for (uint32_t index = 0; index <= number; index++) {
        if (section == 9)
            wasm_read_element_segment(&reader, instance, segment);
        else
            wasm_read_data_segment(&reader, instance, segment);
    }
}

static enum wasm_error memory_init(struct wasm_instance *instance, uint32_t number, uint32_t to, uint32_t from, uint32_t count) {
    struct wasm_memory *memory = instance->memory;
    struct wasm_segment segment;
    find_segment(instance, 11, number, &segment);
    if (wasm_is_dropped(instance, instance->module->elements + number)) segment.count = 0;
    if (is_outside(from, count, segment.count) || is_outside(to, count, memory->bytes)) return wasm_error_trap_memory;
    if (count > 0) memcpy(memory->data + to, segment.at + from, count);
    return wasm_ok;
}

static enum wasm_error memory_copy(struct wasm_memory *memory, uint32_t to, uint32_t from, uint32_t count) {
    if (is_outside(from, count, memory->bytes) || is_outside(to, count, memory->bytes)) return wasm_error_trap_memory;
    if (count > 0) memmove(memory->data + to, memory->data + from, count);
    return wasm_ok;
}

static enum wasm_error memory_fill(struct wasm_memory *memory, uint32_t to, uint32_t byte, uint32_t count) {
    if (is_outside(to, count, memory->bytes)) return wasm_error_trap_memory;
    if (count > 0) memset(memory->data + to, (int)(byte & 0xff), count);
    return wasm_ok;
}

static uint32_t read_element(struct wasm_reader *reader, const struct wasm_instance *instance, uint32_t flags) {
    if ((flags & 4) != 0) return (uint32_t)wasm_read_constant(reader, instance);
    return wasm_function_ref(instance, wasm_read_u32(reader));
}

enum wasm_error wasm_table_init(
    struct wasm_instance *instance, const struct wasm_segment *segment, struct wasm_table *table, uint32_t to, uint32_t from, uint32_t count
) {
    if (is_outside(from, count, segment->count) || is_outside(to, count, table->size)) return wasm_error_trap_table;
    struct wasm_reader reader = wasm_reader_at(instance->module, (uint32_t)(segment->at - instance->module->bytes));
    for (uint32_t index = 0; index < from; index++) read_element(&reader, instance, segment->flags);
    for (uint32_t index = 0; index < count; index++) table->elements[to + index] = read_element(&reader, instance, segment->flags);
    return wasm_ok;
}

static enum wasm_error element_init(struct wasm_instance *instance, uint32_t number, struct wasm_table *table, const uint32_t *operands) {
    struct wasm_segment segment;
    find_segment(instance, 9, number, &segment);
    if (wasm_is_dropped(instance, number)) segment.count = 0;
    return wasm_table_init(instance, &segment, table, operands[0], operands[1], operands[2]);
}

static enum wasm_error table_copy(struct wasm_table *to_table, struct wasm_table *from_table, uint32_t to, uint32_t from, uint32_t count) {
    if (is_outside(from, count, from_table->size) || is_outside(to, count, to_table->size)) return wasm_error_trap_table;
    if (count > 0) memmove(to_table->elements + to, from_table->elements + from, count * sizeof(uint32_t));
    return wasm_ok;
}

static enum wasm_error table_fill(struct wasm_table *table, uint32_t to, uint32_t value, uint32_t count) {
    if (is_outside(to, count, table->size)) return wasm_error_trap_table;
    for (uint32_t index = 0; index < count; index++) table->elements[to + index] = value;
    return wasm_ok;
}

static uint32_t table_grow(struct wasm_table *table, uint32_t value, uint32_t count) {
    uint32_t before = table->size;
    uint32_t limit = table->capacity < table->maximum ? table->capacity : table->maximum;
    if (is_outside(before, count, limit)) return UINT32_MAX;
    table->size += count;
    table_fill(table, before, value, count);
    return before;
}

enum wasm_error wasm_bulk(struct wasm_instance *instance, uint32_t opcode, uint32_t one, uint32_t other, uint64_t *values) {
    struct wasm_table **tables = instance->tables;
    uint32_t operands[3] = {0, 0, 0};
    if (opcode == 9 || opcode == 13) {
        wasm_drop(instance, opcode == 9 ? instance->module->elements + one : one);
        return wasm_ok;
    }
    if (opcode == 16) {
        values[0] = tables[one]->size;
        return wasm_ok;
    }
    unsigned count = opcode == 15 ? 2 : 3;
    for (unsigned index = 0; index < count; index++) operands[index] = (uint32_t)values[index];
    enum wasm_error error = spend(instance, operands[count - 1]);
    if (error != wasm_ok) return error;
    switch (opcode) {
    case 8: return memory_init(instance, one, operands[0], operands[1], operands[2]);
    case 10: return memory_copy(instance->memory, operands[0], operands[1], operands[2]);
    case 11: return memory_fill(instance->memory, operands[0], operands[1], operands[2]);
    case 12: return element_init(instance, one, tables[other], operands);
    case 14: return table_copy(tables[one], tables[other], operands[0], operands[1], operands[2]);
    case 15: values[0] = table_grow(tables[one], operands[0], operands[1]); return wasm_ok;
    default: return table_fill(tables[one], operands[0], operands[1], operands[2]);
    }
}
