#include "read.h"

#include <string.h>

enum { section_custom, section_import = 2, section_data = 11, section_data_count = 12 };

struct wasm_reader wasm_reader_at(const struct wasm_module *module, uint32_t offset) {
    struct wasm_reader reader = {module->bytes + offset, module->bytes + module->length, wasm_ok};
    return reader;
}

static void read_custom(struct wasm_reader *reader, const uint8_t *end) {
    struct wasm_reader inner = {reader->at, end, wasm_ok};
    wasm_read_name(&inner);
    reader->at = inner.error == wasm_ok ? end : inner.at;
    if (inner.error != wasm_ok) wasm_reader_fail(reader, inner.error);
}

bool wasm_next_section(struct wasm_reader *reader, struct wasm_section *section) {
    while (reader->at < reader->end) {
        section->id = wasm_read_byte(reader);
        uint32_t size = wasm_read_u32(reader);
        section->begin = reader->at;
        wasm_read_skip(reader, size);
        if (reader->error != wasm_ok) return false;
        section->end = reader->at;
        if (section->id != section_custom) return true;
        reader->at = section->begin;
        read_custom(reader, section->end);
    }
    return false;
}

/* The data count stands before the code, though its number is the highest. */
static unsigned place_in_order(uint8_t id) {
    return id == section_data_count ? 19 : 2u * id;
}

static void count_imports(struct wasm_module *module, struct wasm_reader *reader) {
    module->imports = wasm_read_count(reader);
    uint32_t *const counts[] = {
        &module->imported_functions, &module->imported_tables, &module->imported_memories, &module->imported_globals
    };
    for (uint32_t number = 0; number < module->imports && reader->error == wasm_ok; number++) {
        struct wasm_import import;
        wasm_read_import(reader, &import);
        if (reader->error == wasm_ok) ++*counts[import.kind];
    }
}

static void count_section(struct wasm_module *module, struct wasm_reader *reader, uint8_t id) {
    uint32_t *const counts[] = {
        NULL, &module->types, NULL, &module->functions, &module->tables, &module->memories, &module->globals, &module->exports, NULL,
        &module->elements
    };
    if (id == section_import)
        count_imports(module, reader);
    else if (id == section_data_count || (id == section_data && module->sections[section_data_count] == 0))
        module->datas = wasm_read_u32(reader);
    else if (id < 10 && counts[id] != NULL)
        *counts[id] = wasm_read_count(reader);
}

enum wasm_error wasm_scan(struct wasm_module *module, const uint8_t *bytes, uint32_t length, uint32_t *at) {
    static const uint8_t header[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    memset(module, 0, sizeof *module);
    module->bytes = bytes;
    module->length = length;
    *at = 0;
    if (length < 4 || memcmp(bytes, header, 4) != 0) return wasm_error_magic;
    *at = 4;
    if (length < 8 || memcmp(bytes + 4, header + 4, 4) != 0) return wasm_error_version;
    struct wasm_reader reader = wasm_reader_at(module, 8);
    struct wasm_section section;
    unsigned place = 0;
    while (wasm_next_section(&reader, &section)) {
        struct wasm_reader inner = {section.begin, section.end, wasm_ok};
        if (section.id > section_data_count || place_in_order(section.id) <= place) {
            wasm_reader_fail(&inner, section.id == 13 ? wasm_error_unsupported : wasm_error_section);
        } else {
            place = place_in_order(section.id);
            module->sections[section.id] = (uint32_t)(section.begin - bytes);
            count_section(module, &inner, section.id);
        }
        if (inner.error != wasm_ok) {
            *at = (uint32_t)(inner.at - bytes);
            return inner.error;
        }
    }
    *at = (uint32_t)(reader.at - bytes);
    module->functions += module->imported_functions;
    module->tables += module->imported_tables;
    module->memories += module->imported_memories;
    module->globals += module->imported_globals;
    return reader.error;
}

enum wasm_error wasm_open(struct wasm_module *module, const uint8_t *bytes, uint32_t length, const void *table, uint32_t table_capacity) {
    uint32_t at;
    enum wasm_error error = wasm_scan(module, bytes, length, &at);
    if (error != wasm_ok) return error;
    struct wasm_table_header header;
    if (table_capacity < sizeof header) return wasm_error_stale_side_table;
    memcpy(&header, table, sizeof header);
    if (header.magic != WASM_SIDE_TABLE_MAGIC || header.module_length != length || header.functions != module->functions ||
        header.table_length > table_capacity)
        return wasm_error_stale_side_table;
    module->table = table;
    module->table_length = header.table_length;
    return wasm_ok;
}

struct wasm_signature wasm_type_signature(const struct wasm_module *module, uint32_t type) {
    struct wasm_signature signature;
    struct wasm_reader reader = wasm_reader_at(module, wasm_types(module)[type].offset);
    signature.param_count = (uint8_t)wasm_read_u32(&reader);
    signature.params = reader.at;
    wasm_read_skip(&reader, signature.param_count);
    signature.result_count = (uint8_t)wasm_read_u32(&reader);
    signature.results = reader.at;
    return signature;
}

struct wasm_signature wasm_signature_of(const struct wasm_module *module, uint32_t function) {
    return wasm_type_signature(module, wasm_functions(module)[function].type);
}

void wasm_import_at(const struct wasm_module *module, uint32_t number, struct wasm_import *import) {
    struct wasm_reader reader = wasm_reader_at(module, module->sections[section_import]);
    wasm_read_u32(&reader);
    for (uint32_t index = 0; index <= number; index++) wasm_read_import(&reader, import);
    import->number = number;
    if (import->kind == wasm_kind_function) import->signature = wasm_type_signature(module, import->type_index);
}

void wasm_export_at(const struct wasm_module *module, uint32_t number, struct wasm_export *export) {
    struct wasm_reader reader = wasm_reader_at(module, module->sections[7]);
    wasm_read_u32(&reader);
    for (uint32_t index = 0; index <= number; index++) wasm_read_export(&reader, export);
}

bool wasm_find_export(const struct wasm_module *module, const char *name, uint32_t name_length, struct wasm_export *found) {
    struct wasm_reader reader = wasm_reader_at(module, module->sections[7]);
    if (module->exports > 0) wasm_read_u32(&reader);
    for (uint32_t index = 0; index < module->exports; index++) {
        wasm_read_export(&reader, found);
        if (found->name.length == name_length && memcmp(found->name.bytes, name, name_length) == 0) return true;
    }
    return false;
}

uint8_t wasm_global_type(const struct wasm_module *module, uint32_t index, bool *is_mutable) {
    if (index < module->imported_globals) {
        struct wasm_import import;
        uint32_t globals = 0;
        for (uint32_t number = 0;; number++) {
            wasm_import_at(module, number, &import);
            if (import.kind == wasm_kind_global && globals++ == index) break;
        }
        *is_mutable = import.is_mutable;
        return import.type;
    }
    struct wasm_reader reader = wasm_reader_at(module, module->sections[6]);
    wasm_read_u32(&reader);
    for (uint32_t at = module->imported_globals;; at++) {
        uint8_t type = wasm_read_value_type(&reader);
        *is_mutable = wasm_read_mutability(&reader);
        if (at == index) return type;
        wasm_read_constant(&reader, NULL);
    }
}
