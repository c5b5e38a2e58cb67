#ifndef HYPHA_HOST_H
#define HYPHA_HOST_H

/*
 * What a module may ask of its board: the host interfaces of `sdk/wit/host/`, as plain C. The binder (bind.c) lifts the arguments out of the
 * module's memory, checks them, calls one of these, and lowers what it answers; a board implements them and knows nothing of WebAssembly.
 *
 * Bytes that come in (`text`, `name`, `key`, …) lie in the module's memory: they are checked, not ended by a zero, and valid until the
 * function returns. Strings are valid UTF-8. Bytes that go out (`struct host_bytes`) belong to the host (flash or RAM) and must stay as they
 * are until the next call of any function here; the binder copies them into memory that the module's own `cabi_realloc` gives.
 *
 * None of these functions may call the module. A function pointer that is NULL stands for an interface that this board lacks: a module that
 * imports it isn't linked (`wasm_error_unknown_import`).
 */

#include <stdbool.h>
#include <stdint.h>

struct host_bytes {
    const uint8_t *data;
    uint32_t length;
};

/* hypha:host/log */
enum host_level { host_level_debug, host_level_info, host_level_warn, host_level_error };

/* Answers of functions whose WIT result is `result<…, enum>`: 0, or one more than the number of the enum's case, in the WIT file's order. */
enum host_telemetry_answer { host_telemetry_ok, host_telemetry_throttled, host_telemetry_invalid_metric, host_telemetry_too_many_metrics };
enum host_sensor_answer { host_sensor_ok, host_sensor_unknown, host_sensor_unavailable, host_sensor_timeout };
enum host_actuator_answer {
    host_actuator_ok,
    host_actuator_unknown,
    host_actuator_unavailable,
    host_actuator_timeout,
    host_actuator_out_of_range,
};
enum host_kv_answer { host_kv_ok, host_kv_quota, host_kv_key_too_long };
enum host_publish_answer {
    host_publish_ok,
    host_publish_not_granted,
    host_publish_throttled,
    host_publish_too_long,
    host_publish_invalid_topic,
};

/* `host` is what the caller of `wasm_resolve_host` as its context gave: the instance's own things. */
struct host_ops {
    /* `message` is whole; a host that stores lines cuts it at 1,024 bytes. */
    void (*log_write)(void *host, enum host_level level, struct host_bytes message);

    /* Milliseconds since 1970 UTC; nanoseconds since an arbitrary moment. */
    uint64_t (*clock_now)(void *host);
    uint64_t (*clock_monotonic)(void *host);

    /* False where the key isn't set. */
    bool (*config_get)(void *host, struct host_bytes key, struct host_bytes *value);

    enum host_telemetry_answer (*telemetry_emit)(void *host, struct host_bytes metric, double value);

    enum host_sensor_answer (*sensor_read)(void *host, struct host_bytes name, double *value);
    /* The name at `index` of the sorted names; false at the end. Each may be asked twice: once for its length, once for its bytes. */
    bool (*sensor_name)(void *host, uint32_t index, struct host_bytes *name);

    enum host_actuator_answer (*actuator_set)(void *host, struct host_bytes name, double value);
    bool (*actuator_name)(void *host, uint32_t index, struct host_bytes *name);

    /* False where there is none. */
    bool (*kv_get)(void *host, struct host_bytes key, struct host_bytes *value);
    enum host_kv_answer (*kv_set)(void *host, struct host_bytes key, struct host_bytes value);
    void (*kv_delete)(void *host, struct host_bytes key);
    /* The key at `index` of those that begin with `prefix`, sorted by their bytes; false at the end. */
    bool (*kv_key)(void *host, struct host_bytes prefix, uint32_t index, struct host_bytes *key);

    enum host_publish_answer (*messages_publish)(void *host, struct host_bytes topic, struct host_bytes payload);
};

#endif
