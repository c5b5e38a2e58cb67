/*
 * Runs modules on this machine with the firmware's interpreter, the same source:
 *
 *     hypha-wasm FILE.wasm [--invoke NAME ARGS…] [--fuel N] [--memory BYTES] [--time RUNS]
 *     hypha-wasm --spec FILE.json
 *
 * With --time the call is made so many times, and the fewest nanoseconds of CPU that one took are the last line.
 * Exit code: 0, 1 if the module was refused or trapped or a command of the suite failed, 2 for wrong use.
 */

#include "wasm/load.h"
#include "wasm/spec.h"
#include "wasm/values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARENA (8u << 20)
#define MEMORY (1u << 30)
#define TABLE_SPARE 100000u

struct arguments {
    const char *file;
    const char *spec;
    const char *invoke;
    char **values;
    int value_count;
    /* 0: once, and not timed. */
    uint64_t runs;
    struct load_options options;
};

static int usage(void) {
    fputs("usage: hypha-wasm FILE.wasm [--invoke NAME ARGS...] [--fuel N] [--memory BYTES] [--time RUNS] [--spec FILE.json]\n", stderr);
    return 2;
}

static bool parse_number(const char *text, uint64_t maximum, uint64_t *number) {
    char *end;
    if (text == NULL) return false;
    *number = strtoull(text, &end, 0);
    return end != text && *end == 0 && text[0] != '-' && *number <= maximum;
}

static bool parse(int count, char **texts, struct arguments *arguments) {
    uint64_t number;
    for (int index = 1; index < count; index++) {
        const char *text = texts[index];
        char **next = texts + index + 1;
        if (strcmp(text, "--invoke") == 0) {
            if (*next == NULL) return false;
            arguments->invoke = *next;
            arguments->values = next + 1;
            index++;
            while (index + 1 < count && strncmp(texts[index + 1], "--", 2) != 0) {
                arguments->value_count++;
                index++;
            }
        } else if (strcmp(text, "--fuel") == 0) {
            if (!parse_number(*next, UINT64_MAX, &arguments->options.fuel)) return false;
            index++;
        } else if (strcmp(text, "--memory") == 0) {
            if (!parse_number(*next, UINT32_MAX & ~7u, &number)) return false;
            arguments->options.memory = (uint32_t)number;
            index++;
        } else if (strcmp(text, "--time") == 0) {
            if (!parse_number(*next, 1000000, &arguments->runs) || arguments->runs == 0) return false;
            index++;
        } else if (strcmp(text, "--spec") == 0) {
            if (*next == NULL) return false;
            arguments->spec = *next;
            index++;
        } else if (strncmp(text, "--", 2) == 0 || arguments->file != NULL) {
            return false;
        } else {
            arguments->file = text;
        }
    }
    return arguments->file != NULL || arguments->spec != NULL;
}

static int refused(const char *file, const char *what, enum wasm_error error, uint32_t at) {
    fprintf(stderr, "%s: %s: %s, at byte %" PRIu32 "\n", file, what, wasm_error_words(error), at);
    return 1;
}

static void describe(const struct loaded *loaded) {
    const struct wasm_module *module = &loaded->module;
    printf("%" PRIu32 " bytes, %" PRIu32 " functions, side table %" PRIu32 " bytes, ", module->length, module->functions, module->table_length);
    printf("at least %" PRIu32 " bytes of arena and %" PRIu32 " of memory\n", wasm_arena_bytes(module), wasm_memory_bytes(module));
    for (uint32_t number = 0; number < module->exports; number++) {
        static const char *const kinds[] = {"function", "table", "memory", "global"};
        struct wasm_export export;
        wasm_export_at(module, number, &export);
        printf("%s %.*s\n", kinds[export.kind], (int)export.name.length, (const char *)export.name.bytes);
    }
}

/* In nanoseconds, of this process. */
static int64_t cpu_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int invoke(struct loaded *loaded, const struct arguments *arguments) {
    struct wasm_export export;
    const char *name = arguments->invoke;
    if (!wasm_find_export(&loaded->module, name, (uint32_t)strlen(name), &export) || export.kind != wasm_kind_function) {
        fprintf(stderr, "%s: it exports no function %s\n", arguments->file, name);
        return 1;
    }
    uint64_t values[WASM_MAXIMUM_VALUES] = {0};
    struct wasm_signature signature = wasm_signature_of(&loaded->module, export.index);
    if (signature.param_count != arguments->value_count) {
        fprintf(stderr, "%s takes %d arguments\n", name, signature.param_count);
        return 2;
    }
    for (int index = 0; index < arguments->value_count; index++) {
        if (!value_parse(signature.params[index], arguments->values[index], values + index)) {
            fprintf(stderr, "%s isn't of type %s\n", arguments->values[index], type_name(signature.params[index]));
            return 2;
        }
    }
    uint64_t given[WASM_MAXIMUM_VALUES];
    int64_t best = INT64_MAX;
    memcpy(given, values, sizeof given);
    for (uint64_t run = 0; run < arguments->runs || run == 0; run++) {
        memcpy(values, given, sizeof given);
        loaded->instance.fuel = arguments->options.fuel;
        int64_t from = cpu_time();
        enum wasm_error error = wasm_call(&loaded->instance, export.index, values);
        int64_t took = cpu_time() - from;
        if (error != wasm_ok) return refused(arguments->file, name, error, loaded->instance.trapped_at);
        if (took < best) best = took;
    }
    for (int index = 0; index < signature.result_count; index++) {
        value_print(stdout, signature.results[index], values[index]);
        putchar('\n');
    }
    if (arguments->runs > 0) printf("%" PRId64 "\n", best);
    return 0;
}

int main(int count, char **texts) {
    struct arguments arguments;
    memset(&arguments, 0, sizeof arguments);
    arguments.options = (struct load_options){.fuel = UINT64_MAX, .memory = MEMORY, .arena = ARENA, .table_spare = TABLE_SPARE};
    if (!parse(count, texts, &arguments)) return usage();
    if (arguments.spec != NULL) return spec_run(arguments.spec, &arguments.options);
    uint32_t length;
    uint8_t *bytes = load_file(arguments.file, &length);
    if (bytes == NULL) {
        fprintf(stderr, "%s can't be read\n", arguments.file);
        return 2;
    }
    struct loaded *loaded = load_new();
    enum wasm_error error = load_validate(loaded, bytes, length);
    if (error != wasm_ok) return refused(arguments.file, "not a module for here", error, loaded->at);
    if (arguments.invoke == NULL) {
        describe(loaded);
        return 0;
    }
    error = load_instantiate(loaded, &arguments.options);
    if (error != wasm_ok) return refused(arguments.file, "it can't be started", error, loaded->instance.trapped_at);
    return invoke(loaded, &arguments);
}
