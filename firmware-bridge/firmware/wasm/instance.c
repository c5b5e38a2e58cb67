#include "instance.h"

#include <string.h>

#define MEMORY_END "hypha_memory_end"

/* ---- the arena ---- */

struct arena {
    /* NULL: nothing is laid out, only counted. */
    uint8_t *base;
    uint32_t length;
    uint64_t used;
};

static void *take(struct arena *arena, uint64_t bytes) {
    uint64_t at = arena->used;
    arena->used += (bytes + 7) & ~(uint64_t)7;
    if (arena->base == NULL || arena->used > arena->length) return NULL;
    return arena->base + at;
}

static void lay_out_tables(struct arena *arena, struct wasm_instance *instance, const struct wasm_module *module, uint32_t spare) {
    uint32_t own = module->tables - module->imported_tables;
    struct wasm_table *tables = take(arena, (uint64_t)own * sizeof *tables);
    struct wasm_reader reader = wasm_reader_at(module, module->sections[4]);
    if (own > 0) wasm_read_u32(&reader);
    for (uint32_t index = 0; index < own; index++) {
        struct wasm_limits limits;
        uint8_t type = wasm_read_reference_type(&reader);
        wasm_read_limits(&reader, &limits, UINT32_MAX);
        uint64_t capacity = (uint64_t)limits.minimum + spare;
        if (capacity > limits.maximum) capacity = limits.maximum;
        uint32_t *elements = take(arena, capacity * sizeof *elements);
        if (tables == NULL || (elements == NULL && capacity > 0)) continue;
        tables[index] = (struct wasm_table){elements, limits.minimum, (uint32_t)capacity, limits.maximum, type};
        memset(elements, 0xff, (size_t)limits.minimum * sizeof *elements);
        instance->tables[module->imported_tables + index] = tables + index;
    }
}

static void lay_out(struct arena *arena, struct wasm_instance *instance, const struct wasm_module *module, uint32_t spare) {
    instance->imports = take(arena, (uint64_t)module->imported_functions * sizeof *instance->imports);
    instance->imported_globals = take(arena, (uint64_t)module->imported_globals * sizeof *instance->imported_globals);
    instance->globals = take(arena, (uint64_t)(module->globals - module->imported_globals) * sizeof *instance->globals);
    instance->dropped = take(arena, (module->elements + (uint64_t)module->datas + 7) / 8);
    instance->tables = take(arena, (uint64_t)module->tables * sizeof *instance->tables);
    lay_out_tables(arena, instance, module, spare);
}

uint32_t wasm_arena_bytes(const struct wasm_module *module) {
    struct arena arena = {NULL, 0, 0};
    struct wasm_instance instance;
    lay_out(&arena, &instance, module, 0);
    return arena.used > UINT32_MAX ? UINT32_MAX : (uint32_t)arena.used;
}

/* ---- the memory ---- */

/* UINT32_MAX if the module makes no promise. */
static uint32_t memory_end(const struct wasm_module *module) {
    struct wasm_export found;
    if (!wasm_find_export(module, MEMORY_END, sizeof MEMORY_END - 1, &found) || found.kind != wasm_kind_global) return UINT32_MAX;
    if (found.index < module->imported_globals) return UINT32_MAX;
    bool is_mutable;
    uint8_t type;
    struct wasm_reader reader = wasm_reader_at(module, module->sections[6]);
    wasm_read_u32(&reader);
    for (uint32_t index = module->imported_globals;; index++) {
        type = wasm_read_value_type(&reader);
        is_mutable = wasm_read_mutability(&reader);
        bool is_number = *reader.at == 0x41;
        uint32_t value = (uint32_t)wasm_read_constant(&reader, NULL);
        if (index == found.index) return type == wasm_i32 && !is_mutable && is_number ? value : UINT32_MAX;
    }
}

static bool memory_limits(const struct wasm_module *module, struct wasm_limits *limits) {
    if (module->memories == module->imported_memories) return false;
    struct wasm_reader reader = wasm_reader_at(module, module->sections[5]);
    wasm_read_u32(&reader);
    wasm_read_limits(&reader, limits, WASM_PAGE);
    return true;
}

static uint64_t least_bytes(const struct wasm_module *module, const struct wasm_limits *limits) {
    uint64_t whole = (uint64_t)limits->minimum * WASM_PAGE;
    uint32_t end = memory_end(module);
    return end < whole ? end : whole;
}

uint32_t wasm_memory_bytes(const struct wasm_module *module) {
    struct wasm_limits limits;
    if (!memory_limits(module, &limits)) return 0;
    uint64_t bytes = least_bytes(module, &limits);
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

static enum wasm_error make_memory(struct wasm_instance *instance, const struct wasm_config *config) {
    struct wasm_limits limits;
    if (!memory_limits(instance->module, &limits)) return wasm_ok;
    uint64_t bytes = least_bytes(instance->module, &limits);
    if (bytes > config->memory_length) return wasm_error_memory;
    struct wasm_memory *memory = &instance->own_memory;
    memory->data = config->memory;
    memory->bytes = (uint32_t)bytes;
    memory->capacity = config->memory_length;
    memory->pages = limits.minimum;
    memory->maximum = limits.has_maximum ? limits.maximum : UINT32_MAX;
    if (bytes > 0) memset(memory->data, 0, (size_t)bytes);
    instance->memory = memory;
    return wasm_ok;
}

/* ---- imports ---- */

static bool fits(const struct wasm_import *import, uint32_t size, uint32_t maximum) {
    return size >= import->minimum && (!import->has_maximum || maximum <= import->maximum);
}

static enum wasm_error link_import(
    struct wasm_instance *instance, const struct wasm_config *config, const struct wasm_import *import, uint32_t *counts
) {
    struct wasm_extern found;
    memset(&found, 0, sizeof found);
    if (config->resolve == NULL) return wasm_error_unknown_import;
    enum wasm_error error = config->resolve(config->resolve_context, import, &found);
    if (error != wasm_ok) return error;
    uint32_t index = counts[import->kind]++;
    switch (import->kind) {
    case wasm_kind_function: instance->imports[index] = found.function; break;
    case wasm_kind_global: instance->imported_globals[index] = found.global; break;
    case wasm_kind_memory:
        if (!fits(import, found.memory->pages, found.memory->maximum)) return wasm_error_import_type;
        instance->memory = found.memory;
        break;
    case wasm_kind_table:
        if (found.table->type != import->type || !fits(import, found.table->size, found.table->maximum)) return wasm_error_import_type;
        instance->tables[index] = found.table;
        break;
    }
    return wasm_ok;
}

static enum wasm_error link_imports(struct wasm_instance *instance, const struct wasm_config *config) {
    const struct wasm_module *module = instance->module;
    uint32_t counts[4] = {0, 0, 0, 0};
    struct wasm_reader reader = wasm_reader_at(module, module->sections[2]);
    if (module->imports > 0) wasm_read_u32(&reader);
    for (uint32_t number = 0; number < module->imports; number++) {
        struct wasm_import import;
        memset(&import, 0, sizeof import);
        wasm_read_import(&reader, &import);
        import.number = number;
        if (import.kind == wasm_kind_function) import.signature = wasm_type_signature(module, import.type_index);
        instance->failed_import = number;
        enum wasm_error error = link_import(instance, config, &import, counts);
        if (error != wasm_ok) return error;
    }
    return wasm_ok;
}

/* ---- starting ---- */

static void set_globals(struct wasm_instance *instance) {
    const struct wasm_module *module = instance->module;
    uint32_t own = module->globals - module->imported_globals;
    struct wasm_reader reader = wasm_reader_at(module, module->sections[6]);
    if (own > 0) wasm_read_u32(&reader);
    for (uint32_t index = 0; index < own; index++) {
        wasm_read_value_type(&reader);
        wasm_read_mutability(&reader);
        instance->globals[index] = wasm_read_constant(&reader, instance);
    }
}

static enum wasm_error write_elements(struct wasm_instance *instance) {
    const struct wasm_module *module = instance->module;
    struct wasm_reader reader = wasm_reader_at(module, module->sections[9]);
    if (module->elements > 0) wasm_read_u32(&reader);
    for (uint32_t number = 0; number < module->elements; number++) {
        struct wasm_segment segment;
        wasm_read_element_segment(&reader, instance, &segment);
        /* Passive ones wait for table.init; declarative ones are there for the validator alone. */
        if ((segment.flags & 3) == 1) continue;
        if ((segment.flags & 1) == 0) {
            struct wasm_table *table = instance->tables[segment.target];
            enum wasm_error error = wasm_table_init(instance, &segment, table, segment.offset, 0, segment.count);
            if (error != wasm_ok) return error;
        }
        wasm_drop(instance, number);
    }
    return wasm_ok;
}

static enum wasm_error write_data(struct wasm_instance *instance) {
    const struct wasm_module *module = instance->module;
    struct wasm_memory *memory = instance->memory;
    struct wasm_reader reader = wasm_reader_at(module, module->sections[11]);
    if (module->datas > 0) wasm_read_u32(&reader);
    for (uint32_t number = 0; number < module->datas; number++) {
        struct wasm_segment segment;
        wasm_read_data_segment(&reader, instance, &segment);
        if (segment.flags == 1) continue;
        if (segment.offset > memory->bytes || segment.count > memory->bytes - segment.offset) return wasm_error_trap_memory;
        if (segment.count > 0) memcpy(memory->data + segment.offset, segment.at, segment.count);
        wasm_drop(instance, module->elements + number);
    }
    return wasm_ok;
}

static enum wasm_error start(struct wasm_instance *instance) {
    const struct wasm_module *module = instance->module;
    if (module->sections[8] == 0) return wasm_ok;
    struct wasm_reader reader = wasm_reader_at(module, module->sections[8]);
    uint64_t nothing = 0;
    return wasm_call(instance, wasm_read_u32(&reader), &nothing);
}

static bool enter_store(struct wasm_instance *instance, struct wasm_store *store) {
    instance->store = store;
    if (store == NULL) return true;
    if (store->count >= store->capacity || store->count >= (1u << (32 - WASM_REF_BITS)) - 1) return false;
    instance->id = (uint16_t)store->count;
    store->instances[store->count++] = instance;
    return true;
}

enum wasm_error wasm_instantiate(struct wasm_instance *instance, const struct wasm_module *module, const struct wasm_config *config) {
    memset(instance, 0, sizeof *instance);
    instance->module = module;
    instance->bytes = module->bytes;
    instance->functions = wasm_functions(module);
    instance->branches = wasm_branches(module);
    instance->user = config->user;
    instance->fuel = config->fuel;
    instance->maximum_depth = config->maximum_depth;
    struct arena arena = {config->arena, config->arena_length, 0};
    lay_out(&arena, instance, module, config->table_spare);
    if (config->arena == NULL || arena.used + 64 > config->arena_length) return wasm_error_arena;
    memset(instance->dropped, 0, (module->elements + module->datas + 7) / 8);
    instance->sp = instance->stack = (uint64_t *)(void *)(arena.base + arena.used);
    instance->stack_end = instance->stack + (config->arena_length - (uint32_t)arena.used) / sizeof(uint64_t);
    enum wasm_error error = link_imports(instance, config);
    if (error == wasm_ok) error = make_memory(instance, config);
    if (error != wasm_ok) return error;
    if (!enter_store(instance, config->store)) return wasm_error_arena;
    set_globals(instance);
    error = write_elements(instance);
    if (error == wasm_ok) error = write_data(instance);
    if (error == wasm_ok) error = start(instance);
    return error;
}
