#include "spec.h"

#include "../../wasm/number.h"
#include "json.h"
#include "values.h"

#include <stdlib.h>
#include <string.h>

#define MAXIMUM_INSTANCES 4000
#define MAXIMUM_VALUES 300

struct named {
    struct wasm_name name;
    struct loaded *loaded;
};

struct run {
    struct load_options options;
    struct wasm_store store;
    struct wasm_instance *instances[MAXIMUM_INSTANCES];
    /* By `register`, and by $name in the file. */
    struct named registered[MAXIMUM_INSTANCES], variables[MAXIMUM_INSTANCES];
    unsigned registered_count, variable_count;
    struct loaded *last;
    const char *path;
    unsigned passed, failed, passed_over;
    const char *line;
    /* What an action came to. */
    uint64_t values[MAXIMUM_VALUES];
    struct wasm_signature signature;
    enum wasm_error error;
};

static struct wasm_name name_of(const struct json *text) {
    struct wasm_name name = {(const uint8_t *)text->text, (uint32_t)text->length};
    return name;
}

static struct loaded *find(const struct named *list, unsigned count, struct wasm_name name) {
    while (count-- > 0) {
        if (list[count].name.length == name.length && memcmp(list[count].name.bytes, name.bytes, name.length) == 0)
            return list[count].loaded;
    }
    return NULL;
}

static enum wasm_error resolve(void *context, const struct wasm_import *import, struct wasm_extern *found) {
    struct run *run = context;
    if (import->module.length == 8 && memcmp(import->module.bytes, "spectest", 8) == 0) return spectest_resolve(import, found);
    struct loaded *exporter = find(run->registered, run->registered_count, import->module);
    return exporter == NULL ? wasm_error_unknown_import : load_link(&exporter->instance, import, found);
}

static void complain(struct run *run, const char *what, const char *expected, const char *found) {
    run->failed++;
    printf("%s:%s: %s: expected %s, found %s\n", run->path, run->line, what, expected, found);
}

/* ---- modules ---- */

static enum wasm_error load(struct run *run, const struct json *command, struct loaded **loaded, bool instantiate) {
    const char *slash = strrchr(run->path, '/');
    char path[4096];
    snprintf(path, sizeof path, "%.*s%s", slash == NULL ? 0 : (int)(slash - run->path + 1), run->path, json_text(command, "filename"));
    uint32_t length;
    uint8_t *bytes = load_file(path, &length);
    if (bytes == NULL) {
        fprintf(stderr, "%s can't be read\n", path);
        exit(2);
    }
    *loaded = load_new();
    enum wasm_error error = load_validate(*loaded, bytes, length);
    if (error != wasm_ok || !instantiate) return error;
    return load_instantiate(*loaded, &run->options);
}

static void run_module(struct run *run, const struct json *command) {
    struct loaded *loaded;
    enum wasm_error error = load(run, command, &loaded, true);
    if (error != wasm_ok) {
        run->last = NULL;
        complain(run, "module", "a valid module", wasm_error_words(error));
        return;
    }
    run->passed++;
    run->last = loaded;
    const struct json *name = json_get(command, "name");
    if (name != NULL && run->variable_count < MAXIMUM_INSTANCES) run->variables[run->variable_count++] = (struct named){name_of(name), loaded};
}

static void run_register(struct run *run, const struct json *command) {
    const struct json *name = json_get(command, "name");
    struct loaded *loaded = name == NULL ? run->last : find(run->variables, run->variable_count, name_of(name));
    if (loaded == NULL || run->registered_count == MAXIMUM_INSTANCES)
        complain(run, "register", "a module", "none");
    else
        run->registered[run->registered_count++] = (struct named){name_of(json_get(command, "as")), loaded};
}

static void run_refused(struct run *run, const struct json *command, const char *type) {
    struct loaded *loaded;
    if (strcmp(json_text(command, "module_type"), "text") == 0) {
        run->passed_over++;
        return;
    }
    if (json_get(command, "filename") == NULL) {
        complain(run, type, "a command with a module", "none");
        return;
    }
    bool is_link = strcmp(type, "assert_unlinkable") == 0;
    bool is_start = strcmp(type, "assert_uninstantiable") == 0;
    enum wasm_error error = load(run, command, &loaded, is_link || is_start);
    bool is_right = is_link    ? error == wasm_error_unknown_import || error == wasm_error_import_type
                    : is_start ? error >= wasm_error_trap_unreachable
                               : error != wasm_ok && error < wasm_error_implementation_limit;
    if (is_right)
        run->passed++;
    else
        complain(run, type, json_text(command, "text"), wasm_error_words(error));
}

/* ---- actions ---- */

static bool read_value(const struct json *value, uint8_t *type, uint64_t *bits) {
    static const struct {
        const char *name;
        uint8_t type;
    } types[] = {{"i32", wasm_i32}, {"i64", wasm_i64}, {"f32", wasm_f32}, {"f64", wasm_f64}, {"funcref", wasm_funcref}, {"externref", wasm_externref}};
    const char *name = json_text(value, "type");
    const char *text = json_text(value, "value");
    for (unsigned index = 0; index < 6; index++) {
        if (strcmp(types[index].name, name) != 0) continue;
        *type = types[index].type;
        *bits = strcmp(text, "null") == 0 ? WASM_NULL : strtoull(text, NULL, 10);
        return true;
    }
    return false;
}

static bool find_export(struct run *run, const struct json *action, struct loaded **loaded, struct wasm_export *export) {
    const struct json *name = json_get(action, "module");
    const struct json *field = json_get(action, "field");
    *loaded = name == NULL ? run->last : find(run->variables, run->variable_count, name_of(name));
    return *loaded != NULL && wasm_find_export(&(*loaded)->module, field->text, (uint32_t)field->length, export);
}

/* False if it couldn't be tried. */
static bool act(struct run *run, const struct json *action) {
    struct loaded *loaded;
    struct wasm_export export;
    if (!find_export(run, action, &loaded, &export)) return false;
    if (strcmp(json_text(action, "type"), "get") == 0) {
        static uint8_t type;
        bool is_mutable;
        type = wasm_global_type(&loaded->module, export.index, &is_mutable);
        run->values[0] = *wasm_global(&loaded->instance, export.index);
        run->signature = (struct wasm_signature){NULL, &type, 0, 1};
        run->error = wasm_ok;
        return true;
    }
    run->signature = wasm_signature_of(&loaded->module, export.index);
    unsigned count = 0;
    const struct json *arguments = json_get(action, "args");
    for (const struct json *value = arguments == NULL ? NULL : arguments->first; value != NULL; value = value->next) {
        uint8_t type;
        if (count >= run->signature.param_count || !read_value(value, &type, run->values + count)) return false;
        if (type != run->signature.params[count++]) return false;
    }
    loaded->instance.fuel = run->options.fuel;
    run->error = wasm_call(&loaded->instance, export.index, run->values);
    return true;
}

/* A canonical NaN has only the highest bit of its fraction, an arithmetic one has that bit. */
static bool is_nan(uint8_t type, uint64_t bits, bool is_canonical) {
    uint64_t quiet = type == wasm_f32 ? 0x7fc00000u : (uint64_t)0x7ff8 << 48;
    uint64_t magnitude = type == wasm_f32 ? bits & 0x7fffffffu : bits & (UINT64_MAX >> 1);
    return is_canonical ? magnitude == quiet : (magnitude & quiet) == quiet;
}

static bool is_equal(uint8_t type, uint64_t found, const struct json *expected) {
    uint8_t wanted_type;
    uint64_t wanted;
    if (!read_value(expected, &wanted_type, &wanted) || wanted_type != type) return false;
    const char *text = json_text(expected, "value");
    if (strcmp(text, "nan:canonical") == 0) return is_nan(type, found, true);
    if (strcmp(text, "nan:arithmetic") == 0) return is_nan(type, found, false);
    if (*text == 0) return (uint32_t)found != WASM_NULL;
    bool is_wide = type == wasm_i64 || type == wasm_f64;
    return is_wide ? found == wanted : (uint32_t)found == (uint32_t)wanted;
}

static void run_return(struct run *run, const struct json *command) {
    if (!act(run, json_get(command, "action"))) {
        complain(run, "assert_return", "a function to call", "none");
        return;
    }
    if (run->error != wasm_ok) {
        complain(run, "assert_return", "a result", wasm_error_words(run->error));
        return;
    }
    unsigned count = 0;
    const struct json *expected = json_get(command, "expected");
    for (const struct json *value = expected == NULL ? NULL : expected->first; value != NULL; value = value->next, count++) {
        bool is_there = count < run->signature.result_count;
        if (is_there && is_equal(run->signature.results[count], run->values[count], value)) continue;
        complain(run, "assert_return", json_text(value, "value"), "another value");
        if (is_there) value_print(stdout, run->signature.results[count], run->values[count]);
        putchar('\n');
        return;
    }
    if (count != run->signature.result_count)
        complain(run, "assert_return", "another number of results", "more");
    else
        run->passed++;
}

static void run_trap(struct run *run, const struct json *command, const char *type) {
    const char *expected = json_text(command, "text");
    if (!act(run, json_get(command, "action"))) {
        complain(run, type, "a function to call", "none");
        return;
    }
    const char *words = wasm_error_words(run->error);
    size_t length = strlen(expected) < strlen(words) ? strlen(expected) : strlen(words);
    if (run->error >= wasm_error_trap_unreachable && strncmp(expected, words, length) == 0)
        run->passed++;
    else
        complain(run, type, expected, words);
}

static void run_action(struct run *run, const struct json *command) {
    if (!act(run, json_get(command, "action")) || run->error != wasm_ok)
        complain(run, "action", "an end without a trap", wasm_error_words(run->error));
    else
        run->passed++;
}

static void run_command(struct run *run, const struct json *command) {
    const char *type = json_text(command, "type");
    run->line = json_text(command, "line");
    run->error = wasm_ok;
    if (strcmp(type, "module") == 0)
        run_module(run, command);
    else if (strcmp(type, "register") == 0)
        run_register(run, command);
    else if (strcmp(type, "action") == 0)
        run_action(run, command);
    else if (strcmp(type, "assert_return") == 0)
        run_return(run, command);
    else if (strcmp(type, "assert_trap") == 0 || strcmp(type, "assert_exhaustion") == 0)
        run_trap(run, command, type);
    else if (strncmp(type, "assert_", 7) == 0)
        run_refused(run, command, type);
    else
        complain(run, type, "a known command", "none");
}

int spec_run(const char *path, const struct load_options *options) {
    uint32_t length;
    const char *text = (const char *)load_file(path, &length);
    const struct json *file = text == NULL ? NULL : json_parse(text, length);
    const struct json *commands = json_get(file, "commands");
    if (commands == NULL) {
        fprintf(stderr, "%s can't be read, or isn't what wast2json makes\n", path);
        return 2;
    }
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) return 2;
    run->path = path;
    run->options = *options;
    run->store = (struct wasm_store){run->instances, MAXIMUM_INSTANCES, 0};
    run->options.store = &run->store;
    run->options.resolve = resolve;
    run->options.resolve_context = run;
    spectest_begin();
    for (const struct json *command = commands->first; command != NULL; command = command->next) run_command(run, command);
    printf("%s: %u passed, %u failed, %u passed over (modules in text form)\n", path, run->passed, run->failed, run->passed_over);
    return run->failed > 0 ? 1 : 0;
}
