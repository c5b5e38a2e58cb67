#ifndef HYPHA_WASM_VALIDATE_H
#define HYPHA_WASM_VALIDATE_H

/*
 * What the files of the validator share: validate.c goes through the sections, and for function bodies to validate-code.c and those beside it;
 * both keep what they know by validate-state.c.
 */

#include "read.h"

/* Set beside the type of a global that is mutable. */
#define GLOBAL_IS_MUTABLE 0x80

struct validator {
    struct wasm_reader in;
    struct wasm_module *module;
    const struct wasm_sink *sink;
    /* The scratch memory that is free. */
    uint8_t *low, *high;
    /* One byte each: types of globals, tables and element segments. */
    uint8_t *globals, *tables, *elements;
    /* A bit per function that ref.func may name. */
    uint8_t *declared;
    /* Known so far: what is behind can't be named yet. */
    uint32_t known_globals, known_tables, known_memories;
    uint32_t branch_base, branches;
    bool has_data_count;
};

static inline void fail(struct validator *v, enum wasm_error error) { wasm_reader_fail(&v->in, error); }

/* ---- validate-state.c ---- */

void *wasm_scratch(struct validator *v, uint32_t bytes);
void wasm_emit(struct validator *v, uint32_t at, const void *bytes, uint32_t length);
/* Null with an error if there is no such type. */
const struct wasm_table_type *wasm_type_at(struct validator *v, uint32_t index);
bool wasm_is_declared(const struct validator *v, uint32_t function);
/* ---- validate-code.c ---- */

/* Checks a function's body, up to `end`, and writes its part of the side table. */
void wasm_validate_body(struct validator *v, uint32_t function, const uint8_t *end);

#endif
