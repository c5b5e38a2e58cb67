#include "validate.h"

#include <string.h>

#define HEADER ((uint32_t)sizeof(struct wasm_table_header))

/* ---- types ---- */

static uint8_t read_types(struct validator *v) {
    uint32_t count = wasm_read_count(&v->in);
    if (count > WASM_MAXIMUM_ARITY) fail(v, wasm_error_implementation_limit);
    for (uint32_t index = 0; index < count && v->in.error == wasm_ok; index++) wasm_read_value_type(&v->in);
    return (uint8_t)count;
}

/* The first type that is equal to one that isn't written yet. */
static uint16_t canonical_type(const struct wasm_module *module, uint32_t index, const struct wasm_table_type *type) {
    struct wasm_reader reader = wasm_reader_at(module, type->offset);
    wasm_read_u32(&reader);
    const uint8_t *params = reader.at;
    wasm_read_skip(&reader, type->params);
    wasm_read_u32(&reader);
    for (uint32_t other = 0; other < index; other++) {
        const struct wasm_table_type *known = wasm_types(module) + other;
        if (known->canonical != other || known->params != type->params || known->results != type->results) continue;
        struct wasm_signature signature = wasm_type_signature(module, other);
        if (memcmp(signature.params, params, type->params) != 0) continue;
        if (memcmp(signature.results, reader.at, type->results) == 0) return (uint16_t)other;
    }
    return (uint16_t)index;
}

static void validate_types(struct validator *v) {
    struct wasm_module *module = v->module;
    uint32_t count = wasm_read_u32(&v->in);
    if (count > WASM_MAXIMUM_TYPES) fail(v, wasm_error_implementation_limit);
    for (uint32_t index = 0; index < count && v->in.error == wasm_ok; index++) {
        uint8_t form = wasm_read_byte(&v->in);
        if (form != 0x60) fail(v, form >= 0x4e && form <= 0x5f ? wasm_error_unsupported : wasm_error_malformed);
        struct wasm_table_type type = {(uint32_t)(v->in.at - module->bytes), (uint16_t)index, 0, 0};
        type.params = read_types(v);
        type.results = read_types(v);
        if (v->in.error != wasm_ok) return;
        type.canonical = canonical_type(module, index, &type);
        wasm_emit(v, HEADER + index * (uint32_t)sizeof type, &type, sizeof type);
    }
}

/* ---- functions, tables, memories ---- */

/* The first 8 bytes of a function's entry; its code fills in the others. */
static void declare_function(struct validator *v, uint32_t function, uint32_t type_index) {
    const struct wasm_table_type *type = wasm_type_at(v, type_index);
    if (type == NULL || v->in.error != wasm_ok) return;
    struct wasm_table_function entry = {
        .canonical = type->canonical, .type = (uint16_t)type_index, .params = type->params, .results = type->results
    };
    const struct wasm_module *module = v->module;
    uint32_t at = HEADER + module->types * (uint32_t)sizeof *type + function * (uint32_t)sizeof entry;
    wasm_emit(v, at, &entry, function < module->imported_functions ? sizeof entry : 8);
}

static void validate_imports(struct validator *v) {
    uint32_t count = wasm_read_u32(&v->in);
    uint32_t functions = 0;
    for (uint32_t index = 0; index < count && v->in.error == wasm_ok; index++) {
        struct wasm_import import;
        wasm_read_import(&v->in, &import);
        if (v->in.error != wasm_ok) return;
        if (import.kind == wasm_kind_function) declare_function(v, functions++, import.type_index);
        if (import.kind == wasm_kind_table) v->tables[v->known_tables++] = import.type;
        if (import.kind == wasm_kind_memory && ++v->known_memories > 1) fail(v, wasm_error_multiple_memories);
        if (import.kind == wasm_kind_global)
            v->globals[v->known_globals++] = (uint8_t)(import.type | (import.is_mutable ? GLOBAL_IS_MUTABLE : 0));
    }
}

static void validate_functions(struct validator *v) {
    wasm_read_u32(&v->in);
    if (v->module->functions > WASM_MAXIMUM_FUNCTIONS) fail(v, wasm_error_implementation_limit);
    for (uint32_t index = v->module->imported_functions; index < v->module->functions && v->in.error == wasm_ok; index++)
        declare_function(v, index, wasm_read_u32(&v->in));
}

static void validate_tables(struct validator *v) {
    struct wasm_limits limits;
    wasm_read_u32(&v->in);
    while (v->known_tables < v->module->tables && v->in.error == wasm_ok) {
        v->tables[v->known_tables++] = wasm_read_reference_type(&v->in);
        wasm_read_limits(&v->in, &limits, UINT32_MAX);
    }
}

static void validate_memories(struct validator *v) {
    struct wasm_limits limits;
    wasm_read_u32(&v->in);
    while (v->known_memories < v->module->memories && v->in.error == wasm_ok) {
        wasm_read_limits(&v->in, &limits, WASM_PAGE);
        if (++v->known_memories > 1) fail(v, wasm_error_multiple_memories);
    }
}

/* ---- globals and constant expressions ---- */

static void declare_reference(struct validator *v, uint32_t function) {
    if (function >= v->module->functions)
        fail(v, wasm_error_unknown_function);
    else
        v->declared[function >> 3] |= (uint8_t)(1u << (function & 7));
}

static uint8_t constant_global(struct validator *v) {
    uint32_t index = wasm_read_u32(&v->in);
    if (index >= v->known_globals || index >= v->module->imported_globals) {
        fail(v, wasm_error_unknown_global);
        return 0;
    }
    if ((v->globals[index] & GLOBAL_IS_MUTABLE) != 0) fail(v, wasm_error_constant);
    return v->globals[index];
}

/* The type of one constant instruction, its operand passed over. */
static uint8_t constant_instruction(struct validator *v, uint8_t opcode) {
    switch (opcode) {
    case 0x41: wasm_read_signed(&v->in, 32); return wasm_i32;
    case 0x42: wasm_read_signed(&v->in, 64); return wasm_i64;
    case 0x43: wasm_read_skip(&v->in, 4); return wasm_f32;
    case 0x44: wasm_read_skip(&v->in, 8); return wasm_f64;
    case 0x23: return constant_global(v);
    case 0xd0: return wasm_read_reference_type(&v->in);
    case 0xd2: declare_reference(v, wasm_read_u32(&v->in)); return wasm_funcref;
    case 0xfd: fail(v, wasm_error_unsupported); return 0;
    default: fail(v, wasm_error_constant); return 0;
    }
}

static void validate_constant(struct validator *v, uint8_t expected) {
    unsigned values = 0;
    uint8_t type = 0;
    for (;;) {
        uint8_t opcode = wasm_read_byte(&v->in);
        if (v->in.error != wasm_ok) return;
        if (opcode == 0x0b) break;
        type = constant_instruction(v, opcode);
        values++;
    }
    if (values != 1 || type != expected) fail(v, wasm_error_type);
}

static void validate_globals(struct validator *v) {
    wasm_read_u32(&v->in);
    while (v->known_globals < v->module->globals && v->in.error == wasm_ok) {
        uint8_t type = wasm_read_value_type(&v->in);
        bool is_mutable = wasm_read_mutability(&v->in);
        validate_constant(v, type);
        v->globals[v->known_globals++] = (uint8_t)(type | (is_mutable ? GLOBAL_IS_MUTABLE : 0));
    }
}

/* ---- exports and start ---- */

static bool is_exported_before(const struct validator *v, struct wasm_name name, uint32_t before) {
    struct wasm_reader reader = wasm_reader_at(v->module, v->module->sections[7]);
    struct wasm_export other;
    wasm_read_u32(&reader);
    for (uint32_t index = 0; index < before; index++) {
        wasm_read_export(&reader, &other);
        if (other.name.length == name.length && memcmp(other.name.bytes, name.bytes, name.length) == 0) return true;
    }
    return false;
}

static void validate_exports(struct validator *v) {
    const struct wasm_module *module = v->module;
    const uint32_t known[] = {module->functions, v->known_tables, v->known_memories, v->known_globals};
    static const uint8_t errors[] = {
        wasm_error_unknown_function, wasm_error_unknown_table, wasm_error_unknown_memory, wasm_error_unknown_global
    };
    wasm_read_u32(&v->in);
    for (uint32_t index = 0; index < module->exports && v->in.error == wasm_ok; index++) {
        struct wasm_export export;
        wasm_read_export(&v->in, &export);
        if (v->in.error != wasm_ok) return;
        if (export.index >= known[export.kind])
            fail(v, (enum wasm_error)errors[export.kind]);
        else if (export.kind == wasm_kind_function)
            declare_reference(v, export.index);
        if (is_exported_before(v, export.name, index)) fail(v, wasm_error_duplicate_export);
    }
}

static void validate_start(struct validator *v) {
    uint32_t function = wasm_read_u32(&v->in);
    if (function >= v->module->functions) {
        fail(v, wasm_error_unknown_function);
        return;
    }
    const struct wasm_table_function *entry = wasm_functions(v->module) + function;
    if (entry->params != 0 || entry->results != 0) fail(v, wasm_error_start);
}

/* ---- segments ---- */

static void validate_element(struct validator *v, uint32_t number) {
    uint32_t flags = wasm_read_u32(&v->in);
    if (flags > 7) fail(v, wasm_error_malformed);
    bool is_active = (flags & 1) == 0;
    bool has_expressions = (flags & 4) != 0;
    uint8_t type = wasm_funcref;
    uint32_t table = 0;
    if (is_active) {
        if ((flags & 2) != 0) table = wasm_read_u32(&v->in);
        if (table >= v->known_tables) fail(v, wasm_error_unknown_table);
        validate_constant(v, wasm_i32);
    }
    if ((flags & 3) != 0) {
        if (has_expressions)
            type = wasm_read_reference_type(&v->in);
        else if (wasm_read_byte(&v->in) != 0)
            fail(v, wasm_error_malformed);
    }
    if (v->in.error != wasm_ok) return;
    if (is_active && v->tables[table] != type) fail(v, wasm_error_type);
    v->elements[number] = type;
    uint32_t count = wasm_read_count(&v->in);
    for (uint32_t index = 0; index < count && v->in.error == wasm_ok; index++) {
        if (has_expressions)
            validate_constant(v, type);
        else
            declare_reference(v, wasm_read_u32(&v->in));
    }
}

static void validate_elements(struct validator *v) {
    wasm_read_u32(&v->in);
    for (uint32_t number = 0; number < v->module->elements && v->in.error == wasm_ok; number++) validate_element(v, number);
}

static void validate_datas(struct validator *v) {
    uint32_t count = wasm_read_u32(&v->in);
    if (count != v->module->datas) fail(v, wasm_error_data_count);
    for (uint32_t number = 0; number < count && v->in.error == wasm_ok; number++) {
        uint32_t flags = wasm_read_u32(&v->in);
        if (flags > 2) fail(v, wasm_error_malformed);
        if (flags != 1) {
            if (flags == 2 && wasm_read_u32(&v->in) != 0) fail(v, wasm_error_unknown_memory);
            if (v->known_memories == 0) fail(v, wasm_error_unknown_memory);
            validate_constant(v, wasm_i32);
        }
        wasm_read_skip(&v->in, wasm_read_u32(&v->in));
    }
}

/* ---- code ---- */

static void validate_code(struct validator *v) {
    const struct wasm_module *module = v->module;
    const uint8_t *section_end = v->in.end;
    uint32_t count = wasm_read_u32(&v->in);
    if (count != module->functions - module->imported_functions) fail(v, wasm_error_code_count);
    for (uint32_t function = module->imported_functions; function < module->functions && v->in.error == wasm_ok; function++) {
        uint32_t size = wasm_read_u32(&v->in);
        if ((size_t)(section_end - v->in.at) < size) fail(v, wasm_error_end);
        if (v->in.error != wasm_ok) return;
        const uint8_t *end = v->in.at + size;
        v->in.end = end;
        uint8_t *low = v->low, *high = v->high;
        wasm_validate_body(v, function, end);
        v->low = low;
        v->high = high;
        if (v->in.error == wasm_ok) v->in.end = section_end;
    }
}

static void validate_section(struct validator *v, uint8_t id) {
    static void (*const validators[])(struct validator *) = {
        validate_types,   validate_imports, validate_functions, validate_tables, validate_memories, validate_globals,
        validate_exports, validate_start,   validate_elements,  validate_code,   validate_datas
    };
    if (id == 12) {
        wasm_read_u32(&v->in);
        v->has_data_count = true;
    } else {
        validators[id - 1](v);
    }
    if (v->in.error == wasm_ok && v->in.at != v->in.end) fail(v, wasm_error_section);
}

static void validate_sections(struct validator *v) {
    struct wasm_module *module = v->module;
    struct wasm_reader outer = wasm_reader_at(module, 8);
    struct wasm_section section;
    while (v->in.error == wasm_ok && wasm_next_section(&outer, &section)) {
        v->in.at = section.begin;
        v->in.end = section.end;
        validate_section(v, section.id);
    }
    if (v->in.error != wasm_ok) return;
    v->in.at = v->in.end = outer.at;
    if (module->sections[10] == 0 && module->functions != module->imported_functions) fail(v, wasm_error_code_count);
    if (module->sections[11] == 0 && module->datas != 0) fail(v, wasm_error_data_count);
}

static void allocate(struct validator *v) {
    const struct wasm_module *module = v->module;
    v->globals = wasm_scratch(v, module->globals);
    v->tables = wasm_scratch(v, module->tables);
    v->elements = wasm_scratch(v, module->elements);
    v->declared = wasm_scratch(v, (module->functions + 7) / 8);
    uint32_t used = (uint32_t)(-(uintptr_t)v->low & 7);
    wasm_scratch(v, used);
}

enum wasm_error wasm_validate(
    struct wasm_module *module, const uint8_t *bytes, uint32_t length, const struct wasm_sink *sink, void *scratch, uint32_t scratch_length,
    uint32_t *at
) {
    enum wasm_error error = wasm_scan(module, bytes, length, at);
    if (error != wasm_ok) return error;
    struct validator v;
    memset(&v, 0, sizeof v);
    v.in = wasm_reader_at(module, 8);
    v.module = module;
    v.sink = sink;
    v.low = scratch;
    v.high = v.low + (scratch_length & ~7u);
    module->table = sink->base;
    allocate(&v);
    v.branch_base = HEADER + module->types * (uint32_t)sizeof(struct wasm_table_type) +
                    module->functions * (uint32_t)sizeof(struct wasm_table_function);
    if (v.in.error == wasm_ok) validate_sections(&v);
    module->table_length = v.branch_base + v.branches * (uint32_t)sizeof(struct wasm_table_branch);
    struct wasm_table_header header = {WASM_SIDE_TABLE_MAGIC, length, module->table_length, module->functions};
    wasm_emit(&v, 0, &header, sizeof header);
    *at = (uint32_t)(v.in.at - bytes);
    return v.in.error;
}
