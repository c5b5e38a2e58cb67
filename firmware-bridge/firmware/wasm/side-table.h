#ifndef HYPHA_WASM_SIDE_TABLE_H
#define HYPHA_WASM_SIDE_TABLE_H

/*
 * What the validator writes and the interpreter reads, so that in-place code needn't be searched: Titzer, "A fast in-place interpreter for
 * WebAssembly" (2022). In this order, all in multiples of 8 bytes:
 *
 *     header     16 bytes
 *     types       8 bytes each
 *     functions  24 bytes each, imported ones too
 *     branches    8 bytes per br, br_if, if, else and target of a br_table, in the order of the code; none for code that can't be reached
 *
 * The interpreter holds a pointer to the next branch's entry beside its program counter; a branch that isn't taken moves it by one.
 */

#include <stdint.h>

#define WASM_SIDE_TABLE_MAGIC 0x31545748u /* "HWT1" */

struct wasm_table_header {
    uint32_t magic;
    uint32_t module_length;
    uint32_t table_length;
    uint32_t functions;
};

struct wasm_table_type {
    /* Where its vector of parameters begins in the module. */
    uint32_t offset;
    /* The first type that is equal to this one. */
    uint16_t canonical;
    uint8_t params;
    uint8_t results;
};

struct wasm_table_function {
    uint16_t canonical;
    uint16_t type;
    uint8_t params;
    uint8_t results;
    uint16_t reserved;
    /* Byte offsets in the module of the first instruction and behind the last `end`; 0 for an import. */
    uint32_t code;
    uint32_t end;
    /* Its first branch. */
    uint32_t branch;
    /* Parameters included. */
    uint16_t locals;
    /* How high its operands are stacked. */
    uint16_t height;
};

struct wasm_table_branch {
    /* The target's offset from behind the opcode, times 256, plus the number of values that are kept. */
    int32_t jump;
    /* To the target's next entry, counted from this one. */
    int16_t step;
    /* How many values below those that are kept are dropped. */
    uint16_t drop;
};

#define WASM_MAXIMUM_TYPES 4096u
/* References have so many bits for them. */
#define WASM_MAXIMUM_FUNCTIONS (1u << 20)
#define WASM_MAXIMUM_LOCALS 50000u
#define WASM_MAXIMUM_HEIGHT 65000u
#define WASM_MAXIMUM_JUMP (1 << 22)
#define WASM_MAXIMUM_ARITY 255u

#endif
