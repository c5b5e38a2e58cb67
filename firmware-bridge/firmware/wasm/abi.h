#ifndef HYPHA_WASM_ABI_H
#define HYPHA_WASM_ABI_H

/* Values across the border of an instance by the component model's canonical ABI: texts, lists, and results in memory. */

#include "host.h"
#include "wasm.h"

/* What lies in the instance's memory, where it lies: wasm_error_trap_pointer if it isn't all inside, or a text isn't UTF-8. */
enum wasm_error wasm_lift_bytes(const struct wasm_instance *instance, uint32_t pointer, uint32_t length, struct host_bytes *bytes);
enum wasm_error wasm_lift_text(const struct wasm_instance *instance, uint32_t pointer, uint32_t length, struct host_bytes *text);

/* Room that the module's `cabi_realloc` gives, which may not call out meanwhile; for 0 bytes it is asked too, as the ABI says. */
enum wasm_error wasm_allocate(struct wasm_instance *instance, uint32_t align, uint32_t size, uint32_t *pointer);
/* A copy of bytes in memory of the module's. */
enum wasm_error wasm_lower_bytes(struct wasm_instance *instance, struct host_bytes bytes, uint32_t *pointer);

/* Where a result of `size` bytes goes, or comes from. */
enum wasm_error wasm_area(const struct wasm_instance *instance, uint32_t pointer, uint32_t align, uint32_t size, uint8_t **area);

uint32_t wasm_load_u32(const uint8_t *area);
void wasm_store_u32(uint8_t *area, uint32_t value);

/* A host, and what of it an instance is given. */
struct wasm_host_link {
    const struct host_ops *ops;
    void *host;
};

/*
 * For `resolve` in struct wasm_config, with a struct wasm_host_link as its context, which must outlive the instance. Links functions of the
 * interfaces `hypha:host/…@0.1`; wasm_error_unknown_import for others and for those that the host lacks, wasm_error_import_type for another
 * core signature.
 */
enum wasm_error wasm_resolve_host(void *context, const struct wasm_import *import, struct wasm_extern *found);

#endif
