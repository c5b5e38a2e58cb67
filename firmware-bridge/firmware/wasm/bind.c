#include "abi.h"
#include "number.h"

/*
 * The functions of the host interfaces as core modules import them: `sdk/wit/host/` flattened. Each lifts its parameters, calls the host, and
 * lowers the result to where the module wants it: its last parameter, wherever a result has more than one core value.
 */

struct binding {
    const char *interface;
    const char *function;
    /* Core parameters and, behind a colon, the result: i for i32, l for i64, d for f64. */
    const char *signature;
    /* Which of the host's functions must be there. */
    uint16_t needs;
    wasm_host_function call;
};

#define LINK(context) const struct wasm_host_link *link = (const struct wasm_host_link *)(context)
#define TRY(step)                                                                                                                         \
    do {                                                                                                                                  \
        enum wasm_error failed = (step);                                                                                                  \
        if (failed != wasm_ok) return failed;                                                                                             \
    } while (0)

static enum wasm_error lift_text(struct wasm_instance *instance, const uint64_t *values, struct host_bytes *text) {
    return wasm_lift_text(instance, (uint32_t)values[0], (uint32_t)values[1], text);
}

static enum wasm_error lift_bytes(struct wasm_instance *instance, const uint64_t *values, struct host_bytes *bytes) {
    return wasm_lift_bytes(instance, (uint32_t)values[0], (uint32_t)values[1], bytes);
}

/* `result<_, enum>`: whether it failed, and how. */
static enum wasm_error lower_answer(struct wasm_instance *instance, uint64_t pointer, unsigned answer) {
    uint8_t *area;
    TRY(wasm_area(instance, (uint32_t)pointer, 1, 2, &area));
    area[0] = answer != 0;
    area[1] = answer != 0 ? (uint8_t)(answer - 1) : 0;
    return wasm_ok;
}

/* `option<string>`, `option<list<u8>>`. */
static enum wasm_error lower_option(struct wasm_instance *instance, uint64_t pointer, bool is_there, struct host_bytes bytes) {
    uint8_t *area;
    uint32_t copy;
    TRY(wasm_area(instance, (uint32_t)pointer, 4, 12, &area));
    if (is_there) {
        TRY(wasm_lower_bytes(instance, bytes, &copy));
        wasm_store_u32(area + 4, copy);
        wasm_store_u32(area + 8, bytes.length);
    }
    area[0] = is_there;
    return wasm_ok;
}

typedef bool (*lister)(const struct wasm_host_link *link, struct host_bytes prefix, uint32_t index, struct host_bytes *item);

/* `list<string>`: pointer and length of pairs of pointer and length. */
static enum wasm_error lower_list(
    struct wasm_instance *instance, uint64_t pointer, const struct wasm_host_link *link, lister list, struct host_bytes prefix
) {
    uint8_t *area;
    uint32_t count = 0, items, copy;
    struct host_bytes item;
    TRY(wasm_area(instance, (uint32_t)pointer, 4, 8, &area));
    while (list(link, prefix, count, &item)) count++;
    TRY(wasm_allocate(instance, 4, count * 8, &items));
    wasm_store_u32(area, items);
    wasm_store_u32(area + 4, count);
    for (uint32_t index = 0; index < count && list(link, prefix, index, &item); index++) {
        TRY(wasm_lower_bytes(instance, item, &copy));
        wasm_store_u32(instance->memory->data + items + index * 8, copy);
        wasm_store_u32(instance->memory->data + items + index * 8 + 4, item.length);
    }
    return wasm_ok;
}

/* ---- the interfaces ---- */

static enum wasm_error log_write(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes message;
    if ((uint32_t)values[0] > host_level_error) return wasm_error_trap_pointer;
    TRY(lift_text(instance, values + 1, &message));
    link->ops->log_write(link->host, (enum host_level)values[0], message);
    return wasm_ok;
}

static enum wasm_error clock_now(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    (void)instance;
    values[0] = link->ops->clock_now(link->host);
    return wasm_ok;
}

static enum wasm_error clock_monotonic(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    (void)instance;
    values[0] = link->ops->clock_monotonic(link->host);
    return wasm_ok;
}

static enum wasm_error config_get(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes key, value = {NULL, 0};
    TRY(lift_text(instance, values, &key));
    bool is_there = link->ops->config_get(link->host, key, &value);
    return lower_option(instance, values[2], is_there, value);
}

static enum wasm_error telemetry_emit(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes metric;
    TRY(lift_text(instance, values, &metric));
    return lower_answer(instance, values[3], link->ops->telemetry_emit(link->host, metric, as_f64(values[2])));
}

static enum wasm_error sensor_read(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes name;
    uint8_t *area;
    double value = 0;
    TRY(lift_text(instance, values, &name));
    TRY(wasm_area(instance, (uint32_t)values[2], 8, 16, &area));
    enum host_sensor_answer answer = link->ops->sensor_read(link->host, name, &value);
    area[0] = answer != host_sensor_ok;
    if (answer == host_sensor_ok)
        memcpy(area + 8, &value, sizeof value);
    else
        area[8] = (uint8_t)(answer - 1);
    return wasm_ok;
}

static bool sensor_name(const struct wasm_host_link *link, struct host_bytes prefix, uint32_t index, struct host_bytes *item) {
    (void)prefix;
    return link->ops->sensor_name(link->host, index, item);
}

static enum wasm_error sensor_names(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes all = {NULL, 0};
    return lower_list(instance, values[0], link, sensor_name, all);
}

static enum wasm_error actuator_set(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes name;
    TRY(lift_text(instance, values, &name));
    return lower_answer(instance, values[3], link->ops->actuator_set(link->host, name, as_f64(values[2])));
}

static bool actuator_name(const struct wasm_host_link *link, struct host_bytes prefix, uint32_t index, struct host_bytes *item) {
    (void)prefix;
    return link->ops->actuator_name(link->host, index, item);
}

static enum wasm_error actuator_names(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes all = {NULL, 0};
    return lower_list(instance, values[0], link, actuator_name, all);
}

static enum wasm_error kv_get(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes key, value = {NULL, 0};
    TRY(lift_text(instance, values, &key));
    bool is_there = link->ops->kv_get(link->host, key, &value);
    return lower_option(instance, values[2], is_there, value);
}

static enum wasm_error kv_set(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes key, value;
    TRY(lift_text(instance, values, &key));
    TRY(lift_bytes(instance, values + 2, &value));
    return lower_answer(instance, values[4], link->ops->kv_set(link->host, key, value));
}

static enum wasm_error kv_delete(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes key;
    TRY(lift_text(instance, values, &key));
    link->ops->kv_delete(link->host, key);
    return wasm_ok;
}

static bool kv_key(const struct wasm_host_link *link, struct host_bytes prefix, uint32_t index, struct host_bytes *item) {
    return link->ops->kv_key(link->host, prefix, index, item);
}

static enum wasm_error kv_keys(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes prefix;
    TRY(lift_text(instance, values, &prefix));
    return lower_list(instance, values[2], link, kv_key, prefix);
}

static enum wasm_error messages_publish(struct wasm_instance *instance, void *context, uint64_t *values) {
    LINK(context);
    struct host_bytes topic, payload;
    TRY(lift_text(instance, values, &topic));
    TRY(lift_bytes(instance, values + 2, &payload));
    return lower_answer(instance, values[4], link->ops->messages_publish(link->host, topic, payload));
}

/* ---- linking ---- */

#define NEEDS(name) offsetof(struct host_ops, name)

static const struct binding bindings[] = {
    {"log", "write", "iii", NEEDS(log_write), log_write},
    {"clock", "now", ":l", NEEDS(clock_now), clock_now},
    {"clock", "monotonic", ":l", NEEDS(clock_monotonic), clock_monotonic},
    {"config", "get", "iii", NEEDS(config_get), config_get},
    {"telemetry", "emit", "iidi", NEEDS(telemetry_emit), telemetry_emit},
    {"sensor", "read", "iii", NEEDS(sensor_read), sensor_read},
    {"sensor", "names", "i", NEEDS(sensor_name), sensor_names},
    {"actuator", "set", "iidi", NEEDS(actuator_set), actuator_set},
    {"actuator", "names", "i", NEEDS(actuator_name), actuator_names},
    {"kv", "get", "iii", NEEDS(kv_get), kv_get},
    {"kv", "set", "iiiii", NEEDS(kv_set), kv_set},
    {"kv", "delete", "ii", NEEDS(kv_delete), kv_delete},
    {"kv", "keys", "iii", NEEDS(kv_key), kv_keys},
    {"messages", "publish", "iiiii", NEEDS(messages_publish), messages_publish},
};

static bool take(struct wasm_name *name, const char *text) {
    uint32_t length = (uint32_t)strlen(text);
    if (name->length < length || memcmp(name->bytes, text, length) != 0) return false;
    name->bytes += length;
    name->length -= length;
    return true;
}

static uint8_t type_of(char letter) { return letter == 'i' ? wasm_i32 : letter == 'l' ? wasm_i64 : wasm_f64; }

static bool has_signature(struct wasm_signature found, const char *wanted) {
    unsigned params = 0, results = 0;
    for (; *wanted != 0 && *wanted != ':'; wanted++, params++)
        if (params >= found.param_count || found.params[params] != type_of(*wanted)) return false;
    if (*wanted == ':')
        for (wanted++; *wanted != 0; wanted++, results++)
            if (results >= found.result_count || found.results[results] != type_of(*wanted)) return false;
    return params == found.param_count && results == found.result_count;
}

/* A change of the third number of a version leaves the interface as it is. */
static bool is_interface(struct wasm_name module, const char *interface) {
    return take(&module, "hypha:host/") && take(&module, interface) && take(&module, "@0.1.");
}

static bool is_provided(const struct host_ops *ops, uint16_t needs) {
    void (*function)(void);
    memcpy(&function, (const uint8_t *)ops + needs, sizeof function);
    return function != NULL;
}

enum wasm_error wasm_resolve_host(void *context, const struct wasm_import *import, struct wasm_extern *found) {
    LINK(context);
    for (unsigned index = 0; index < sizeof bindings / sizeof *bindings; index++) {
        const struct binding *binding = bindings + index;
        struct wasm_name name = import->name;
        if (!is_interface(import->module, binding->interface) || !take(&name, binding->function) || name.length != 0) continue;
        if (!is_provided(link->ops, binding->needs)) break;
        if (import->kind != wasm_kind_function || !has_signature(import->signature, binding->signature)) return wasm_error_import_type;
        found->function = (struct wasm_function_import){binding->call, context, 0};
        return wasm_ok;
    }
    return wasm_error_unknown_import;
}
