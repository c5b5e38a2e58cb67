/*
 * Runs a module of an app on this machine as a board would, with a host made up for tests:
 *
 *     wasm-guest FILE.wasm tick|deliver COUNT [FUEL]
 *
 * It has as much memory as it says that it needs, and not a byte more. Up to three calls print what they ask of the host; then a line tells
 * how often each interface was called, how much memory the module has, and the fuel of the last call.
 */

#include "../wasm/abi.h"
#include "wasm/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA (4u << 10)
#define ENTRIES 8
#define WIDTH 64

struct entry {
    char key[WIDTH], value[WIDTH];
    uint32_t key_length, value_length;
};

struct guest {
    bool is_telling;
    uint64_t reads, emits, publishes, sets, gets, logs;
    struct entry entries[ENTRIES];
    unsigned entry_count;
};

static struct host_bytes text(const char *words) {
    struct host_bytes bytes = {(const uint8_t *)words, (uint32_t)strlen(words)};
    return bytes;
}

static bool is_same(struct host_bytes bytes, const void *other, uint32_t length) {
    return bytes.length == length && memcmp(bytes.data, other, length) == 0;
}

static void tell(const struct guest *guest, const char *what, struct host_bytes name, struct host_bytes value) {
    if (guest->is_telling)
        printf("%s %.*s %.*s\n", what, (int)name.length, (const char *)name.data, (int)value.length, (const char *)value.data);
}

static void log_write(void *host, enum host_level level, struct host_bytes message) {
    struct guest *guest = host;
    guest->logs++;
    tell(guest, level == host_level_warn ? "warn" : "log", message, text(""));
}

static uint64_t clock_now(void *host) {
    (void)host;
    return 1700000000000;
}

static bool config_get(void *host, struct host_bytes key, struct host_bytes *value) {
    tell(host, "config", key, text(""));
    *value = text("-2.5");
    return is_same(key, "below", 5);
}

static enum host_telemetry_answer telemetry_emit(void *host, struct host_bytes metric, double value) {
    struct guest *guest = host;
    char number[40];
    guest->emits++;
    snprintf(number, sizeof number, "%g", value);
    tell(guest, "emit", metric, text(number));
    return host_telemetry_ok;
}

static const char *const sensors[] = {"broken", "indoor", "outdoor"};

static enum host_sensor_answer sensor_read(void *host, struct host_bytes name, double *value) {
    struct guest *guest = host;
    guest->reads++;
    *value = is_same(name, "indoor", 6) ? 21.5 : -0.125 * (double)(guest->reads % 1000);
    return is_same(name, "broken", 6) ? host_sensor_unavailable : host_sensor_ok;
}

static bool sensor_name(void *host, uint32_t index, struct host_bytes *name) {
    (void)host;
    if (index >= sizeof sensors / sizeof *sensors) return false;
    *name = text(sensors[index]);
    return true;
}

static struct entry *find(struct guest *guest, struct host_bytes key) {
    for (unsigned index = 0; index < guest->entry_count; index++)
        if (is_same(key, guest->entries[index].key, guest->entries[index].key_length)) return guest->entries + index;
    return NULL;
}

static bool kv_get(void *host, struct host_bytes key, struct host_bytes *value) {
    struct guest *guest = host;
    struct entry *entry = find(guest, key);
    guest->gets++;
    if (entry == NULL) return false;
    *value = (struct host_bytes){(const uint8_t *)entry->value, entry->value_length};
    return true;
}

static enum host_kv_answer kv_set(void *host, struct host_bytes key, struct host_bytes value) {
    struct guest *guest = host;
    struct entry *entry = find(guest, key);
    guest->sets++;
    tell(guest, "set", key, text(""));
    if (key.length > WIDTH || value.length > WIDTH || (entry == NULL && guest->entry_count == ENTRIES)) return host_kv_quota;
    if (entry == NULL) entry = guest->entries + guest->entry_count++;
    memcpy(entry->key, key.data, entry->key_length = key.length);
    memcpy(entry->value, value.data, entry->value_length = value.length);
    return host_kv_ok;
}

static void kv_delete(void *host, struct host_bytes key) {
    struct guest *guest = host;
    struct entry *entry = find(guest, key);
    if (entry != NULL) *entry = guest->entries[--guest->entry_count];
}

static enum host_publish_answer messages_publish(void *host, struct host_bytes topic, struct host_bytes payload) {
    struct guest *guest = host;
    guest->publishes++;
    tell(guest, "publish", topic, payload);
    return host_publish_ok;
}

static const struct host_ops ops = {
    .log_write = log_write, .clock_now = clock_now, .config_get = config_get, .telemetry_emit = telemetry_emit, .sensor_read = sensor_read,
    .sensor_name = sensor_name, .kv_get = kv_get, .kv_set = kv_set, .kv_delete = kv_delete, .messages_publish = messages_publish,
};

static int refused(const char *what, enum wasm_error error) {
    printf("%s: %s\n", what, wasm_error_words(error));
    return 1;
}

static enum wasm_error start(struct loaded *loaded, struct guest *guest) {
    static struct wasm_host_link link;
    link = (struct wasm_host_link){&ops, guest};
    uint32_t needed = wasm_memory_bytes(&loaded->module);
    struct wasm_config config = {
        .arena = malloc(ARENA), .arena_length = ARENA, .memory = malloc(needed), .memory_length = needed, .maximum_depth = 4,
        .resolve = wasm_resolve_host, .resolve_context = &link, .fuel = 1000000,
    };
    return wasm_instantiate(&loaded->instance, &loaded->module, &config);
}

/* The parameters of a call; texts and lists go into memory that the module allocates. */
static enum wasm_error lower(struct wasm_instance *instance, bool is_tick, uint64_t number, uint64_t *values) {
    if (is_tick) {
        values[0] = 1700000000000 + number;
        return wasm_ok;
    }
    uint32_t pointer;
    struct host_bytes given[2] = {text("climate/outdoor"), text(number % 2 == 0 ? "{\"value\":-4.25,\"at\":1}" : "{\"value\":9.5,\"at\":2}")};
    for (unsigned index = 0; index < 2; index++) {
        enum wasm_error error = wasm_lower_bytes(instance, given[index], &pointer);
        if (error != wasm_ok) return error;
        values[2 * index] = pointer;
        values[2 * index + 1] = given[index].length;
    }
    return wasm_ok;
}

int main(int count, char **texts) {
    if (count < 4) return 2;
    uint32_t length;
    uint8_t *bytes = load_file(texts[1], &length);
    bool is_tick = strcmp(texts[2], "tick") == 0;
    uint64_t calls = strtoull(texts[3], NULL, 0), fuel = count > 4 ? strtoull(texts[4], NULL, 0) : 1000000;
    struct loaded *loaded = load_new();
    struct guest guest;
    memset(&guest, 0, sizeof guest);
    if (bytes == NULL) return 2;
    enum wasm_error error = load_validate(loaded, bytes, length);
    if (error == wasm_ok) error = start(loaded, &guest);
    if (error != wasm_ok) return refused("not started", error);
    struct wasm_instance *instance = &loaded->instance;
    struct wasm_export export;
    const char *name = is_tick ? "hypha:module/timer@0.1.0#tick" : "hypha:module/inbox@0.1.0#deliver";
    if (!wasm_find_export(&loaded->module, name, (uint32_t)strlen(name), &export)) return refused(name, wasm_error_unknown_export);
    guest.is_telling = calls <= 3;
    for (uint64_t number = 0; number < calls; number++) {
        uint64_t values[4];
        instance->fuel = fuel;
        error = lower(instance, is_tick, number, values);
        if (error == wasm_ok) error = wasm_call(instance, export.index, values);
        if (error != wasm_ok) return refused(name, error);
    }
    printf("read %" PRIu64 " emitted %" PRIu64 " published %" PRIu64 " set %" PRIu64 " got %" PRIu64 " logged %" PRIu64, guest.reads, guest.emits,
           guest.publishes, guest.sets, guest.gets, guest.logs);
    printf(" memory %" PRIu32 " fuel %" PRIu64 "\n", instance->memory->bytes, fuel - instance->fuel);
    return 0;
}
