/*
 * Tries many modules in one process, for tests:
 *
 *     wasm-probe validate BATCH     one line per module: ok, or what is wrong
 *     wasm-probe run BATCH FUEL     what each does: its calls of imports, and what each exported function answers, called in order without
 *                                   arguments (zeros)
 *     wasm-probe fuzz BATCH FUEL    the same, with memory, stack and side table as small as they may be and each in a room of its own, so that
 *                                   sanitizers see the first byte that is touched beyond them
 *
 * A batch is modules one behind the other, each behind its length in four bytes. Functions that are imported print their arguments and answer
 * zeros; imported globals are zero; imported memories and tables are as small as they may be.
 */

#include "wasm/load.h"
#include "wasm/values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA (1u << 20)
#define MEMORY (32u << 20)
#define SMALL_STACK 2048u

static void print_name(struct wasm_name name) { printf("%.*s", (int)name.length, (const char *)name.bytes); }

/* The context is the import's number. */
static enum wasm_error print_call(struct wasm_instance *instance, void *context, uint64_t *values) {
    struct wasm_import import;
    wasm_import_at(instance->module, (uint32_t)(uintptr_t)context, &import);
    print_name(import.name);
    for (unsigned index = 0; index < import.signature.param_count; index++) {
        putchar(' ');
        value_print(stdout, import.signature.params[index], values[index]);
    }
    putchar('\n');
    for (unsigned index = 0; index < import.signature.result_count; index++) {
        uint8_t type = import.signature.results[index];
        values[index] = type == wasm_funcref || type == wasm_externref ? WASM_NULL : 0;
    }
    return wasm_ok;
}

static enum wasm_error resolve(void *context, const struct wasm_import *import, struct wasm_extern *found) {
    static uint64_t zeros[1];
    (void)context;
    switch (import->kind) {
    case wasm_kind_function:
        found->function = (struct wasm_function_import){print_call, (void *)(uintptr_t)import->number, 0};
        return wasm_ok;
    case wasm_kind_global: found->global = zeros; return wasm_ok;
    default: return wasm_error_unknown_import;
    }
}

static void run_export(struct loaded *loaded, const struct wasm_export *export, uint64_t fuel) {
    uint64_t values[WASM_MAXIMUM_VALUES];
    struct wasm_signature signature = wasm_signature_of(&loaded->module, export->index);
    for (unsigned index = 0; index < signature.param_count; index++) {
        uint8_t type = signature.params[index];
        values[index] = type == wasm_funcref || type == wasm_externref ? WASM_NULL : 0;
    }
    loaded->instance.fuel = fuel;
    enum wasm_error error = wasm_call(&loaded->instance, export->index, values);
    printf("> ");
    print_name(export->name);
    putchar('(');
    for (unsigned index = 0; index < signature.param_count; index++) printf("%s ", type_name(signature.params[index]));
    putchar(')');
    if (error != wasm_ok) printf(" trap %s", wasm_error_words(error));
    for (unsigned index = 0; error == wasm_ok && index < signature.result_count; index++) {
        putchar(' ');
        value_print(stdout, signature.results[index], values[index]);
    }
    putchar('\n');
}

static void run_exports(struct loaded *loaded, uint64_t fuel) {
    for (uint32_t number = 0; number < loaded->module.exports; number++) {
        struct wasm_export export;
        wasm_export_at(&loaded->module, number, &export);
        if (export.kind == wasm_kind_function) run_export(loaded, &export, fuel);
    }
}

static void run(struct loaded *loaded, uint64_t fuel) {
    struct load_options options = {.fuel = fuel, .memory = MEMORY, .arena = ARENA, .table_spare = 1000, .resolve = resolve};
    enum wasm_error error = load_instantiate(loaded, &options);
    if (error == wasm_ok)
        run_exports(loaded, fuel);
    else
        printf("not started: %s\n", wasm_error_words(error));
}

static void *exact(uint32_t bytes) {
    void *room = malloc(bytes > 0 ? bytes : 1);
    if (room == NULL) exit(2);
    return room;
}

static void run_exactly(struct loaded *loaded, uint64_t fuel) {
    struct wasm_module *module = &loaded->module;
    void *table = exact(module->table_length);
    memcpy(table, module->table, module->table_length);
    enum wasm_error error = wasm_open(module, loaded->bytes, loaded->length, table, module->table_length);
    struct wasm_config config = {.maximum_depth = 8, .resolve = resolve, .fuel = fuel};
    config.memory_length = wasm_memory_bytes(module);
    config.arena_length = wasm_arena_bytes(module);
    if (error == wasm_ok && config.memory_length <= MEMORY && config.arena_length <= ARENA) {
        config.arena_length += SMALL_STACK;
        config.memory = exact(config.memory_length);
        config.arena = exact(config.arena_length);
        error = wasm_instantiate(&loaded->instance, module, &config);
        if (error == wasm_ok) run_exports(loaded, fuel);
        free(config.memory);
        free(config.arena);
    }
    if (error != wasm_ok) printf("not started: %s\n", wasm_error_words(error));
    free(table);
}

int main(int count, char **texts) {
    bool is_fuzz = count == 4 && strcmp(texts[1], "fuzz") == 0;
    bool is_run = is_fuzz || (count == 4 && strcmp(texts[1], "run") == 0);
    if (!is_run && (count != 3 || strcmp(texts[1], "validate") != 0)) return 2;
    uint32_t length;
    uint8_t *batch = load_file(texts[2], &length);
    if (batch == NULL) return 2;
    for (uint32_t at = 0; at + 4 <= length;) {
        uint32_t size;
        memcpy(&size, batch + at, sizeof size);
        at += 4;
        if (size > length - at) return 2;
        /* A copy of its own, so that sanitizers see each byte beyond it. */
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        if (bytes == NULL) return 2;
        memcpy(bytes, batch + at, size);
        at += size;
        struct loaded *loaded = load_new();
        enum wasm_error error = load_validate(loaded, bytes, size);
        if (error != wasm_ok || !is_run) printf("%s\n", wasm_error_words(error));
        if (error == wasm_ok && is_run) (is_fuzz ? run_exactly : run)(loaded, strtoull(texts[3], NULL, 0));
        load_free(loaded);
        if (is_run) printf("=\n");
        free(bytes);
        free(loaded);
    }
    return 0;
}
