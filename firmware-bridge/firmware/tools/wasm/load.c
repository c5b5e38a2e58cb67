#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SCRATCH (64u << 20)
#define MAXIMUM_DEPTH 200

#ifdef __SANITIZE_ADDRESS__
/* Nothing is freed: a run is over soon. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

uint8_t *load_file(const char *path, uint32_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    /* One more, so that a text can be ended, and exactly as many, so that reading beyond a module is found. */
    uint8_t *bytes = size < 0 || size > (1 << 30) ? NULL : malloc((size_t)size > 0 ? (size_t)size : 1);
    if (bytes != NULL && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    *length = bytes == NULL ? 0 : (uint32_t)size;
    return bytes;
}

/* Pages that cost nothing until they are touched. */
void *load_reserve(uint64_t bytes) {
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        fprintf(stderr, "no memory for %llu bytes\n", (unsigned long long)bytes);
        exit(2);
    }
    return room;
}

struct loaded *load_new(void) {
    struct loaded *loaded = calloc(1, sizeof *loaded);
    if (loaded == NULL) exit(2);
    return loaded;
}

static bool write_table(void *context, uint32_t at, const void *bytes, uint32_t length) {
    memcpy((uint8_t *)context + at, bytes, length);
    return true;
}

enum wasm_error load_validate(struct loaded *loaded, uint8_t *bytes, uint32_t length) {
    static void *scratch;
    if (scratch == NULL) scratch = load_reserve(SCRATCH);
    /* A byte of a module makes at most 24 bytes of side table: a function's declaration. */
    uint64_t capacity = ((uint64_t)length * 24 + 4096) & ~(uint64_t)7;
    loaded->bytes = bytes;
    loaded->length = length;
    loaded->table_capacity = (uint32_t)(capacity < UINT32_MAX ? capacity : UINT32_MAX & ~7u);
    loaded->table = load_reserve(loaded->table_capacity);
    struct wasm_sink sink = {write_table, loaded->table, loaded->table, loaded->table_capacity};
    enum wasm_error error = wasm_validate(&loaded->module, bytes, length, &sink, scratch, SCRATCH, &loaded->at);
    if (error != wasm_ok) load_free(loaded);
    return error;
}

static void give_back(void *room, uint32_t bytes) {
    if (room != NULL) munmap(room, bytes);
}

void load_free(struct loaded *loaded) {
    give_back(loaded->table, loaded->table_capacity);
    give_back(loaded->arena, loaded->arena_length);
    give_back(loaded->memory, loaded->memory_length);
    loaded->table = loaded->arena = loaded->memory = NULL;
}

enum wasm_error load_instantiate(struct loaded *loaded, const struct load_options *options) {
    const struct wasm_module *module = &loaded->module;
    bool has_memory = module->memories > module->imported_memories;
    struct wasm_config config;
    memset(&config, 0, sizeof config);
    loaded->arena_length = config.arena_length = options->arena;
    loaded->arena = config.arena = load_reserve(options->arena);
    if (has_memory && options->memory > 0) {
        loaded->memory_length = config.memory_length = options->memory;
        loaded->memory = config.memory = load_reserve(options->memory);
    }
    config.table_spare = options->table_spare;
    config.maximum_depth = MAXIMUM_DEPTH;
    config.store = options->store;
    config.resolve = options->resolve;
    config.resolve_context = options->resolve_context;
    config.fuel = options->fuel;
    config.user = options->user;
    return wasm_instantiate(&loaded->instance, module, &config);
}

static bool same_types(struct wasm_signature a, struct wasm_signature b) {
    return a.param_count == b.param_count && a.result_count == b.result_count && memcmp(a.params, b.params, a.param_count) == 0 &&
           memcmp(a.results, b.results, a.result_count) == 0;
}

enum wasm_error load_link(struct wasm_instance *exporter, const struct wasm_import *import, struct wasm_extern *found) {
    const struct wasm_module *module = exporter->module;
    struct wasm_export export;
    bool is_mutable;
    if (!wasm_find_export(module, (const char *)import->name.bytes, import->name.length, &export)) return wasm_error_unknown_import;
    if (export.kind != import->kind) return wasm_error_import_type;
    switch (export.kind) {
    case wasm_kind_function:
        if (!same_types(wasm_signature_of(module, export.index), import->signature)) return wasm_error_import_type;
        found->function = (struct wasm_function_import){NULL, exporter, export.index};
        break;
    case wasm_kind_table: found->table = exporter->tables[export.index]; break;
    case wasm_kind_memory: found->memory = exporter->memory; break;
    case wasm_kind_global:
        if (wasm_global_type(module, export.index, &is_mutable) != import->type || is_mutable != import->is_mutable)
            return wasm_error_import_type;
        found->global = wasm_global(exporter, export.index);
        break;
    }
    return wasm_ok;
}
