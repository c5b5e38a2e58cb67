#ifndef HYPHA_WASM_READ_H
#define HYPHA_WASM_READ_H

/* Bounds-checked reading of a module's bytes. The first error sticks, and everything read after it is 0. */

#include "side-table.h"
#include "wasm.h"

struct wasm_reader {
    const uint8_t *at;
    const uint8_t *end;
    enum wasm_error error;
};

struct wasm_section {
    uint8_t id;
    const uint8_t *begin;
    const uint8_t *end;
};

/* The limits of a table or memory. */
struct wasm_limits {
    uint32_t minimum, maximum;
    bool has_maximum;
};

/* `reader->at` stays where the error is. */
void wasm_reader_fail(struct wasm_reader *reader, enum wasm_error error);
uint8_t wasm_read_byte(struct wasm_reader *reader);
uint32_t wasm_read_u32(struct wasm_reader *reader);
/* A signed LEB128 number of 32, 33 or 64 bits. */
int64_t wasm_read_signed(struct wasm_reader *reader, unsigned bits);
void wasm_read_skip(struct wasm_reader *reader, uint32_t length);
/* Checked to be UTF-8. */
struct wasm_name wasm_read_name(struct wasm_reader *reader);
uint8_t wasm_read_value_type(struct wasm_reader *reader);
uint8_t wasm_read_reference_type(struct wasm_reader *reader);
bool wasm_read_mutability(struct wasm_reader *reader);
/* A count of things that take at least one byte each. */
uint32_t wasm_read_count(struct wasm_reader *reader);
void wasm_read_limits(struct wasm_reader *reader, struct wasm_limits *limits, uint32_t cap);
/* All but the signature. */
void wasm_read_import(struct wasm_reader *reader, struct wasm_import *import);
void wasm_read_export(struct wasm_reader *reader, struct wasm_export *export);
/* Passes over one instruction sequence that wasm_validate took as a constant expression, and gives its value. */
uint64_t wasm_read_constant(struct wasm_reader *reader, const struct wasm_instance *instance);

bool wasm_utf8(const uint8_t *bytes, uint32_t length);

/* Reads the next section's header, custom sections passed over; false at the end and on errors. */
bool wasm_next_section(struct wasm_reader *reader, struct wasm_section *section);
/* Fills in what can be told from the sections' first numbers and the imports. */
enum wasm_error wasm_scan(struct wasm_module *module, const uint8_t *bytes, uint32_t length, uint32_t *at);

struct wasm_reader wasm_reader_at(const struct wasm_module *module, uint32_t offset);
struct wasm_signature wasm_type_signature(const struct wasm_module *module, uint32_t type);

static inline const struct wasm_table_type *wasm_types(const struct wasm_module *module) {
    return (const struct wasm_table_type *)(const void *)(module->table + sizeof(struct wasm_table_header));
}

static inline const struct wasm_table_function *wasm_functions(const struct wasm_module *module) {
    return (const struct wasm_table_function *)(const void *)(wasm_types(module) + module->types);
}

static inline const struct wasm_table_branch *wasm_branches(const struct wasm_module *module) {
    return (const struct wasm_table_branch *)(const void *)(wasm_functions(module) + module->functions);
}

#endif
