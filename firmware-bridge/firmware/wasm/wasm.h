#ifndef HYPHA_WASM_H
#define HYPHA_WASM_H

/*
 * A WebAssembly interpreter that runs core modules in place: the module's bytes stay where they are (flash), nothing of them is copied or
 * translated. The validator makes a side table in one pass (see side-table.h), which is stored beside the module.
 *
 *     wasm_validate     bytes → side table, or an error with its byte offset     once per module, before the first instruction
 *     wasm_open         bytes + side table → struct wasm_module                  at each boot
 *     wasm_instantiate  module + arena + memory → struct wasm_instance           runs the start function
 *     wasm_call         calls an export, with fuel
 *
 * WebAssembly 2.0 without SIMD. No heap, no static data that is written, no operating system. All state is in what the caller gives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- errors and traps: words for them stand in words.c, which a board needn't link ---- */

#define WASM_INVALID(X)                                                                                                                      \
    /* the bytes aren't a module */                                                                                                       \
    X(magic, "magic header not detected")                                                                                                 \
    X(version, "unknown binary version")                                                                                                  \
    X(section, "malformed section: unknown id, out of order, or its size doesn't fit")                                                    \
    X(end, "unexpected end")                                                                                                              \
    X(integer, "integer representation too long or too large")                                                                            \
    X(utf8, "malformed UTF-8 encoding")                                                                                                   \
    X(opcode, "illegal opcode")                                                                                                           \
    X(malformed, "malformed flag, kind or type")                                                                                          \
    X(code_count, "function and code section have inconsistent lengths")                                                                  \
    X(data_count, "data count and data section have inconsistent lengths, or a data count is required")                                   \
    /* the module isn't valid */                                                                                                          \
    X(type, "type mismatch")                                                                                                              \
    X(unknown_type, "unknown type")                                                                                                       \
    X(unknown_function, "unknown function")                                                                                               \
    X(unknown_table, "unknown table")                                                                                                     \
    X(unknown_memory, "unknown memory")                                                                                                   \
    X(unknown_global, "unknown global")                                                                                                   \
    X(unknown_local, "unknown local")                                                                                                     \
    X(unknown_label, "unknown label")                                                                                                     \
    X(unknown_segment, "unknown element or data segment")                                                                                 \
    X(alignment, "alignment must not be larger than natural")                                                                             \
    X(limits, "size minimum must not be greater than maximum, or over what a memory can have")                                            \
    X(constant, "constant expression required")                                                                                           \
    X(immutable, "global is immutable")                                                                                                   \
    X(undeclared, "undeclared function reference")                                                                                        \
    X(duplicate_export, "duplicate export name")                                                                                          \
    X(start, "start function must have neither parameters nor results")                                                                   \
    X(multiple_memories, "multiple memories")                                                                                             \
    /* it may be valid, and is more than this interpreter takes */                                                                        \
    X(unsupported, "a feature that isn't supported: SIMD, threads, exceptions, tail calls, garbage collection or 64-bit memory")         \
    X(implementation_limit, "over a limit of the interpreter")                                                                            \
    X(scratch, "too little scratch memory to validate this module")                                                                       \
    X(side_table, "too little room for the side table, or it couldn't be written")

#define WASM_FAILURES(X)                                                                                                                 \
    /* it can't be opened, linked or started here */                                                                                         \
    X(stale_side_table, "the side table isn't that of this module")                                                                       \
    X(unknown_import, "unknown import")                                                                                                   \
    X(import_type, "incompatible import type")                                                                                            \
    X(arena, "too little memory for the instance")                                                                                        \
    X(memory, "too little memory for the module's linear memory")                                                                         \
    X(unknown_export, "unknown export")                                                                                                   \
    X(signature, "the function has another signature")                                                                                    \
    /* traps */                                                                                                                           \
    X(trap_unreachable, "unreachable")                                                                                                    \
    X(trap_memory, "out of bounds memory access")                                                                                         \
    X(trap_table, "out of bounds table access")                                                                                           \
    X(trap_divide, "integer divide by zero")                                                                                              \
    X(trap_overflow, "integer overflow")                                                                                                  \
    X(trap_conversion, "invalid conversion to integer")                                                                                   \
    X(trap_undefined, "undefined element")                                                                                                \
    X(trap_uninitialized, "uninitialized element")                                                                                        \
    X(trap_indirect, "indirect call type mismatch")                                                                                       \
    X(trap_stack, "call stack exhausted")                                                                                                 \
    X(trap_fuel, "all fuel consumed")                                                                                                     \
    X(trap_pointer, "a pointer, length or text given to the host isn't one")                                                              \
    X(trap_allocation, "the module's allocator gave no memory")                                                                           \
    X(trap_leave, "the module called out where it may not")                                                                               \
    X(trap_host, "the host refused to go on")

enum wasm_error {
    wasm_ok,
#define WASM_ERROR_ENUM(name, words) wasm_error_##name,
    WASM_INVALID(WASM_ERROR_ENUM)
    WASM_FAILURES(WASM_ERROR_ENUM)
#undef WASM_ERROR_ENUM
};

/* In English, for people. */
const char *wasm_error_words(enum wasm_error error);
/* The same of a module that was found valid, without the words for all others. */
const char *wasm_failure_words(enum wasm_error error);

/* ---- validation ---- */

/*
 * Takes the side table. `at` and `length` are multiples of 8; each aligned 8 bytes are written exactly once, in no fixed order, the first 16
 * last of all: a table whose writing was cut off has none, and wasm_open refuses it. `base` is where what was written can be read, 8-aligned.
 */
struct wasm_sink {
    bool (*write)(void *context, uint32_t at, const void *bytes, uint32_t length);
    void *context;
    const void *base;
    uint32_t capacity;
};

/* What is known of a module beside its bytes; made by wasm_validate and wasm_open. */
struct wasm_module {
    const uint8_t *bytes;
    const uint8_t *table;
    uint32_t length;
    uint32_t table_length;
    /* Where the contents of each section begin, by its id; 0 where it is absent. */
    uint32_t sections[13];
    uint32_t types, functions, tables, memories, globals, elements, datas, exports;
    uint32_t imports, imported_functions, imported_tables, imported_memories, imported_globals;
};

/*
 * Checks all of a module and writes its side table. `scratch` (8-aligned) is used while this runs: some 24 bytes per nested block and pending
 * branch of the deepest function. On errors `at` is the byte offset in the module. Use for what comes from outside.
 */
enum wasm_error wasm_validate(
    struct wasm_module *module, const uint8_t *bytes, uint32_t length, const struct wasm_sink *sink, void *scratch, uint32_t scratch_length,
    uint32_t *at
);

/* Opens a module that wasm_validate took before, with the table that it wrote. The caller answers for both being as they were (a digest). */
enum wasm_error wasm_open(struct wasm_module *module, const uint8_t *bytes, uint32_t length, const void *table, uint32_t table_capacity);

/* ---- instances ---- */

enum wasm_type { wasm_i32 = 0x7f, wasm_i64 = 0x7e, wasm_f32 = 0x7d, wasm_f64 = 0x7c, wasm_funcref = 0x70, wasm_externref = 0x6f };
enum wasm_kind { wasm_kind_function, wasm_kind_table, wasm_kind_memory, wasm_kind_global };

#define WASM_PAGE 65536u
#define WASM_NULL 0xffffffffu
/* No function has more parameters, or more results. */
#define WASM_MAXIMUM_VALUES 255

struct wasm_instance;
struct wasm_table_function;
struct wasm_table_branch;

/*
 * A function of the host's. Arguments are in `values`, 8 bytes each (the low ones for 32-bit types, floats as their bits); results are put
 * there. It may call exports of the instance. What it returns other than wasm_ok traps the caller.
 */
typedef enum wasm_error (*wasm_host_function)(struct wasm_instance *instance, void *context, uint64_t *values);

struct wasm_function_import {
    /* NULL: function number `index` of the instance `context`. */
    wasm_host_function call;
    void *context;
    uint32_t index;
};

struct wasm_table {
    /* Functions: see wasm_function_ref; WASM_NULL is null. */
    uint32_t *elements;
    uint32_t size;
    uint32_t capacity;
    uint32_t maximum;
    uint8_t type;
};

struct wasm_memory {
    uint8_t *data;
    /* Loads and stores end below this. Less than whole pages where the module exports `hypha_memory_end`. */
    uint32_t bytes;
    /* `data` has so many; bytes from `bytes` on are zero. */
    uint32_t capacity;
    uint32_t pages;
    uint32_t maximum;
};

/* A name in the module's bytes; not ended by a zero. */
struct wasm_name {
    const uint8_t *bytes;
    uint32_t length;
};

/* A signature: value types in the module's bytes. */
struct wasm_signature {
    const uint8_t *params;
    const uint8_t *results;
    uint8_t param_count;
    uint8_t result_count;
};

struct wasm_import {
    struct wasm_name module;
    struct wasm_name name;
    enum wasm_kind kind;
    /* Which import it is. */
    uint32_t number;
    struct wasm_signature signature; /* functions */
    uint32_t type_index;
    uint8_t type; /* tables, globals */
    bool is_mutable;
    bool has_maximum;
    uint32_t minimum, maximum; /* tables, memories */
};

/* What an import is linked to; the member is that of its kind. */
struct wasm_extern {
    struct wasm_function_import function;
    struct wasm_table *table;
    struct wasm_memory *memory;
    uint64_t *global;
};

/*
 * Instances that may hold references to one another's functions. `instances` are the caller's, by id.
 */
struct wasm_store {
    struct wasm_instance **instances;
    uint32_t capacity;
    uint32_t count;
};

struct wasm_config {
    /* For globals, tables, frames and values, 8-aligned; what is left is the stack. wasm_arena_bytes tells the least. */
    void *arena;
    uint32_t arena_length;
    /* The linear memory, 8-aligned, and how much of it there is. Not used if the module imports its memory. */
    void *memory;
    uint32_t memory_length;
    /* Tables may grow by so many elements, all together. */
    uint32_t table_spare;
    /* Calls that go out to the host and in again, one inside the other. */
    uint16_t maximum_depth;
    /* NULL where there is one instance. */
    struct wasm_store *store;
    /* Asked once per import; an error of its own refuses the module. */
    enum wasm_error (*resolve)(void *context, const struct wasm_import *import, struct wasm_extern *found);
    void *resolve_context;
    /* For the start function. */
    uint64_t fuel;
    /* What host functions find in the instance. */
    void *user;
};

struct wasm_instance {
    const struct wasm_module *module;
    /* Where the module and the parts of its side table are. */
    const uint8_t *bytes;
    const struct wasm_table_function *functions;
    const struct wasm_table_branch *branches;
    struct wasm_memory *memory;
    struct wasm_table **tables;
    uint64_t *globals;
    uint64_t **imported_globals;
    struct wasm_function_import *imports;
    /* A bit for each element segment, then for each data segment. */
    uint8_t *dropped;
    uint64_t *stack;
    uint64_t *stack_end;
    uint64_t *sp;
    struct wasm_store *store;
    void *user;
    /* What is left of the fuel that a call was given. A taken branch and a call cost 1, bulk instructions 1 per 64 bytes or elements. */
    uint64_t fuel;
    /* What has been taken from it and not yet used. */
    int32_t fuel_portion;
    /* Byte offset in the module, in the instruction that trapped or right behind it. */
    uint32_t trapped_at;
    /* Which import couldn't be linked. */
    uint32_t failed_import;
    uint32_t table_spare;
    uint16_t id;
    uint16_t depth;
    uint16_t maximum_depth;
    /* Set while the module's allocator runs, which may not call out (Canonical ABI, `may_leave`). */
    bool may_not_leave;
    struct wasm_memory own_memory;
};

/* What an instance needs of the arena for all but its stack, and the least bytes of linear memory (0 if it has none or imports it). */
uint32_t wasm_arena_bytes(const struct wasm_module *module);
uint32_t wasm_memory_bytes(const struct wasm_module *module);

/* On an error the instance isn't one, except that a trap may have happened after parts of other instances' tables or memories were written. */
enum wasm_error wasm_instantiate(struct wasm_instance *instance, const struct wasm_module *module, const struct wasm_config *config);

/* Reads import number `number`. */
void wasm_import_at(const struct wasm_module *module, uint32_t number, struct wasm_import *import);

struct wasm_export {
    struct wasm_name name;
    enum wasm_kind kind;
    uint32_t index;
};

/* Finds an export; false if there is none of that name. */
bool wasm_find_export(const struct wasm_module *module, const char *name, uint32_t name_length, struct wasm_export *found);
void wasm_export_at(const struct wasm_module *module, uint32_t number, struct wasm_export *export);

struct wasm_signature wasm_signature_of(const struct wasm_module *module, uint32_t function);

/* Type and mutability of a global; its value's place in an instance. */
uint8_t wasm_global_type(const struct wasm_module *module, uint32_t index, bool *is_mutable);
uint64_t *wasm_global(struct wasm_instance *instance, uint32_t index);

/* A reference to a function of the instance's, as it stands in tables and values. */
uint32_t wasm_function_ref(const struct wasm_instance *instance, uint32_t function);

/*
 * Calls a function. `values` has the arguments, and room for the results. The signature isn't checked: do it when looking up the export.
 * Uses up `instance->fuel`. After a trap the instance can be called again; what its memory holds is the module's affair.
 */
enum wasm_error wasm_call(struct wasm_instance *instance, uint32_t function, uint64_t *values);

#endif
