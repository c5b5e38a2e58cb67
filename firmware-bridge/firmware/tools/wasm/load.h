#ifndef HYPHA_TOOLS_LOAD_H
#define HYPHA_TOOLS_LOAD_H

/* A module from a file, with all that its instance needs, for the tools of this machine. */

#include "../../wasm/wasm.h"

struct loaded {
    struct wasm_module module;
    struct wasm_instance instance;
    uint8_t *bytes;
    uint32_t length;
    void *table;
    void *arena;
    void *memory;
    uint32_t arena_length, memory_length, table_capacity;
    /* Byte offset of a validation error. */
    uint32_t at;
};

struct load_options {
    uint64_t fuel;
    /* Bytes of linear memory that there are; for instances with less, as many as are asked for. */
    uint32_t memory;
    uint32_t arena;
    uint32_t table_spare;
    struct wasm_store *store;
    enum wasm_error (*resolve)(void *context, const struct wasm_import *import, struct wasm_extern *found);
    void *resolve_context;
    void *user;
};

/* Ends the program where there is no memory; NULL where the file can't be read. */
uint8_t *load_file(const char *path, uint32_t *length);
void *load_reserve(uint64_t bytes);
struct loaded *load_new(void);
/* `bytes` stay in use. */
enum wasm_error load_validate(struct loaded *loaded, uint8_t *bytes, uint32_t length);
enum wasm_error load_instantiate(struct loaded *loaded, const struct load_options *options);
/* Gives back what the two above took; the instance must not be used any more. */
void load_free(struct loaded *loaded);
/* What an instance exports, for another that imports it. */
enum wasm_error load_link(struct wasm_instance *exporter, const struct wasm_import *import, struct wasm_extern *found);

#endif
