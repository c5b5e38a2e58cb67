#ifndef HYPHA_WASM_INSTANCE_H
#define HYPHA_WASM_INSTANCE_H

/* What instance.c, segments.c, bulk.c and interpret.c share. */

#include "read.h"

/* References: the instance's id above, the function's number below. */
#define WASM_REF_BITS 20

/* Passes over one element or data segment; the reader is behind the section's count, or behind the segment before. */
struct wasm_segment {
    uint32_t flags;
    uint32_t target;
    /* Of active ones. */
    uint32_t offset;
    /* Of elements: their count; `at` is the first. Of data: the bytes. */
    uint32_t count;
    const uint8_t *at;
};

void wasm_read_element_segment(struct wasm_reader *reader, const struct wasm_instance *instance, struct wasm_segment *segment);
void wasm_read_data_segment(struct wasm_reader *reader, const struct wasm_instance *instance, struct wasm_segment *segment);

/* Fuel is taken in portions of 32 bits, which are cheap to count down; this puts back what is left of one. */
static inline void wasm_return_fuel(struct wasm_instance *instance) {
    instance->fuel += (uint32_t)instance->fuel_portion;
    instance->fuel_portion = 0;
}

bool wasm_is_dropped(const struct wasm_instance *instance, uint32_t bit);
void wasm_drop(struct wasm_instance *instance, uint32_t bit);

/* Answers the pages before, or UINT32_MAX. */
uint32_t wasm_memory_grow(struct wasm_memory *memory, uint32_t pages);

/* memory.init, memory.copy … table.fill: `opcode` is that behind 0xfc, `one` and `other` its immediates; `values` are its operands, and then its
   result. */
enum wasm_error wasm_bulk(struct wasm_instance *instance, uint32_t opcode, uint32_t one, uint32_t other, uint64_t *values);
enum wasm_error wasm_table_init(
    struct wasm_instance *instance, const struct wasm_segment *segment, struct wasm_table *table, uint32_t to, uint32_t from, uint32_t count
);

/* Calls an import; `values` lie on the instance's stack. */
enum wasm_error wasm_call_import(struct wasm_instance *instance, uint32_t function, uint64_t *values);
/* Calls what a table refers to, where that is another instance's. */
enum wasm_error wasm_call_foreign(struct wasm_instance *instance, uint32_t ref, uint32_t type, uint64_t *values);

#endif
