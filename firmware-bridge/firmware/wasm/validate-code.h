#ifndef HYPHA_WASM_VALIDATE_CODE_H
#define HYPHA_WASM_VALIDATE_CODE_H

#include "validate.h"

/*
 * The algorithm of the specification's appendix "Validation Algorithm", with Titzer's side table made on the way. Scratch memory holds, from
 * below, the types of locals and of operands, one byte each; from above, labels and branches whose target isn't known yet.
 */

#define NO_BRANCH UINT32_MAX
#define ANY_TYPE 0

enum label_kind { label_block, label_loop, label_if, label_else, label_function };

struct pending {
    struct pending *next;
    uint32_t branch;
    /* Offset behind the opcode. */
    uint32_t from;
    uint16_t drop;
    uint8_t keep;
};

struct label {
    struct label *outer;
    struct pending *pending;
    struct wasm_signature signature;
    /* A loop's first instruction and its branch; an if's branch and where it jumps from. */
    uint32_t from;
    uint32_t branch;
    uint32_t height;
    uint8_t kind;
    bool is_unreachable;
    /* Begun where nothing is reached. */
    bool is_dead;
};

union node {
    struct label label;
    struct pending pending;
    union node *free;
};

struct body {
    struct validator *v;
    const uint8_t *local_types;
    uint32_t locals;
    uint8_t *operands;
    uint32_t height;
    uint32_t maximum_height;
    union node *pool;
    union node *free;
    struct label *label;
    uint32_t first_branch;
};

static inline uint32_t body_offset(const struct body *b) { return (uint32_t)(b->v->in.at - b->v->module->bytes); }

/* ---- operands: validate-operands.c ---- */

void wasm_push(struct body *b, uint8_t type);
uint8_t wasm_pop_any(struct body *b);
void wasm_pop(struct body *b, uint8_t type);
void wasm_push_all(struct body *b, const uint8_t *types, uint32_t count);
void wasm_pop_all(struct body *b, const uint8_t *types, uint32_t count);
/* As wasm_pop_all and pushing back what was found. */
void wasm_check_top(struct body *b, const uint8_t *types, uint32_t count);

/* ---- control: validate-control.c ---- */

void wasm_begin_block(struct body *b, enum label_kind kind, struct wasm_signature signature);
void wasm_set_unreachable(struct body *b);
/* Checks an instruction of control; false if it is none. */
bool wasm_control(struct body *b, uint8_t opcode);
uint8_t wasm_read_table(struct body *b);

#endif
