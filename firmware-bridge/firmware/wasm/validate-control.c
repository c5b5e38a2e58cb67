#include "validate-code.h"

#include <string.h>

/* ---- the pool ---- */

static void *take_node(struct body *b) {
    union node *node = b->free;
    if (node != NULL) {
        b->free = node->free;
    } else if ((uint8_t *)(b->pool - 1) <= b->operands + b->height) {
        fail(b->v, wasm_error_scratch);
        return NULL;
    } else {
        node = --b->pool;
    }
    memset(node, 0, sizeof *node);
    return node;
}

static void give_node(struct body *b, void *given) {
    union node *node = given;
    node->free = b->free;
    b->free = node;
}

void wasm_set_unreachable(struct body *b) {
    b->height = b->label->height;
    b->label->is_unreachable = true;
}

/* ---- branches ---- */

static bool is_reached(const struct body *b) { return !b->label->is_dead && !b->label->is_unreachable; }

static void write_branch(struct body *b, uint32_t branch, uint32_t from, uint32_t to, uint32_t to_branch, uint32_t keep, uint32_t drop) {
    int32_t jump = (int32_t)(to - from);
    int32_t step = (int32_t)(to_branch - branch);
    if (jump > WASM_MAXIMUM_JUMP || jump < -WASM_MAXIMUM_JUMP || step > INT16_MAX || step < INT16_MIN)
        fail(b->v, wasm_error_implementation_limit);
    struct wasm_table_branch entry = {jump * 256 + (int32_t)keep, (int16_t)step, (uint16_t)drop};
    wasm_emit(b->v, b->v->branch_base + branch * (uint32_t)sizeof entry, &entry, sizeof entry);
}

static struct label *label_at(struct body *b, uint32_t depth) {
    struct label *label = b->label;
    while (depth > 0 && label != NULL) {
        label = label->outer;
        depth--;
    }
    if (label == NULL) {
        fail(b->v, wasm_error_unknown_label);
        return b->label;
    }
    return label;
}

static const uint8_t *branch_types(const struct label *label, uint32_t *count) {
    bool is_loop = label->kind == label_loop;
    *count = is_loop ? label->signature.param_count : label->signature.result_count;
    return is_loop ? label->signature.params : label->signature.results;
}

/* An entry for a branch at `from`, or none where it can't be reached. */
static void add_branch(struct body *b, struct label *label, uint32_t from) {
    if (!is_reached(b) || b->v->in.error != wasm_ok) return;
    uint32_t branch = b->v->branches++;
    uint32_t keep;
    branch_types(label, &keep);
    uint32_t drop = b->height - keep - label->height;
    /* Returning takes the values from where they are. */
    if (label->kind == label_function) keep = drop = 0;
    if (label->kind == label_loop) {
        write_branch(b, branch, from, label->from, label->branch, keep, drop);
        return;
    }
    struct pending *pending = take_node(b);
    if (pending == NULL) return;
    *pending = (struct pending){label->pending, branch, from, (uint16_t)drop, (uint8_t)keep};
    label->pending = pending;
}

static void resolve(struct body *b, struct label *label, uint32_t to) {
    while (label->pending != NULL) {
        struct pending *pending = label->pending;
        write_branch(b, pending->branch, pending->from, to, b->v->branches, pending->keep, pending->drop);
        label->pending = pending->next;
        give_node(b, pending);
    }
}

/* ---- blocks ---- */

void wasm_begin_block(struct body *b, enum label_kind kind, struct wasm_signature signature) {
    struct label *label = take_node(b);
    if (label == NULL) return;
    label->outer = b->label;
    label->signature = signature;
    label->height = b->height;
    label->kind = (uint8_t)kind;
    label->from = body_offset(b);
    label->branch = kind == label_if ? NO_BRANCH : b->v->branches;
    label->is_dead = b->label != NULL && !is_reached(b);
    b->label = label;
}

static struct wasm_signature read_block_type(struct body *b) {
    struct validator *v = b->v;
    struct wasm_signature signature = {NULL, NULL, 0, 0};
    uint8_t first = v->in.at < v->in.end ? *v->in.at : 0;
    if (first == 0x40) {
        wasm_read_byte(&v->in);
    } else if ((first & 0xc0) == 0x40) {
        signature.results = v->in.at;
        signature.result_count = 1;
        wasm_read_value_type(&v->in);
    } else {
        int64_t index = wasm_read_signed(&v->in, 33);
        if (index < 0) fail(v, wasm_error_malformed);
        if (v->in.error == wasm_ok && wasm_type_at(v, (uint32_t)index) != NULL) signature = wasm_type_signature(v->module, (uint32_t)index);
    }
    return signature;
}

static void block(struct body *b, uint8_t opcode) {
    uint32_t from = body_offset(b);
    struct wasm_signature signature = read_block_type(b);
    if (opcode == 0x04) wasm_pop(b, wasm_i32);
    wasm_pop_all(b, signature.params, signature.param_count);
    if (b->v->in.error != wasm_ok) return;
    bool takes_branch = opcode == 0x04 && is_reached(b);
    wasm_begin_block(b, opcode == 0x02 ? label_block : opcode == 0x03 ? label_loop : label_if, signature);
    if (b->v->in.error != wasm_ok) return;
    if (takes_branch) {
        b->label->from = from;
        b->label->branch = b->v->branches++;
    }
    wasm_push_all(b, signature.params, signature.param_count);
}

static void check_block_end(struct body *b) {
    struct label *label = b->label;
    wasm_pop_all(b, label->signature.results, label->signature.result_count);
    if (b->height != label->height) fail(b->v, wasm_error_type);
}

static void resolve_if(struct body *b, struct label *label) {
    if (label->branch != NO_BRANCH) write_branch(b, label->branch, label->from, body_offset(b), b->v->branches, 0, 0);
}

static void else_block(struct body *b) {
    struct label *label = b->label;
    if (label->kind != label_if) {
        fail(b->v, wasm_error_opcode);
        return;
    }
    uint32_t from = body_offset(b);
    bool is_passed = is_reached(b);
    check_block_end(b);
    if (is_passed) {
        /* The jump over the else part; the values are where they must be. */
        struct pending *pending = take_node(b);
        if (pending == NULL) return;
        *pending = (struct pending){label->pending, b->v->branches++, from, 0, 0};
        label->pending = pending;
    }
    resolve_if(b, label);
    label->kind = label_else;
    label->is_unreachable = false;
    wasm_push_all(b, label->signature.params, label->signature.param_count);
}

static void end_block(struct body *b) {
    struct label *label = b->label;
    struct wasm_signature signature = label->signature;
    check_block_end(b);
    if (label->kind == label_if) {
        bool is_same = signature.param_count == signature.result_count &&
                       (signature.param_count == 0 || memcmp(signature.params, signature.results, signature.param_count) == 0);
        if (!is_same) fail(b->v, wasm_error_type);
        resolve_if(b, label);
    }
    /* Branches to the function's own label go to its `end`, which returns. */
    resolve(b, label, body_offset(b) - (label->kind == label_function ? 1 : 0));
    b->label = label->outer;
    give_node(b, label);
    if (b->label != NULL) wasm_push_all(b, signature.results, signature.result_count);
}

/* ---- control ---- */

static void branch(struct body *b, uint8_t opcode) {
    uint32_t from = body_offset(b);
    struct label *label = label_at(b, wasm_read_u32(&b->v->in));
    uint32_t count;
    const uint8_t *types = branch_types(label, &count);
    if (opcode == 0x0d) wasm_pop(b, wasm_i32);
    wasm_check_top(b, types, count);
    add_branch(b, label, from);
    if (opcode == 0x0d) {
        wasm_pop_all(b, types, count);
        wasm_push_all(b, types, count);
    } else {
        wasm_set_unreachable(b);
    }
}

static void branch_table(struct body *b) {
    struct wasm_reader *in = &b->v->in;
    uint32_t from = body_offset(b);
    uint32_t count = wasm_read_count(in);
    uint32_t arity = 0;
    wasm_pop(b, wasm_i32);
    for (uint32_t index = 0; index <= count && in->error == wasm_ok; index++) {
        struct label *label = label_at(b, wasm_read_u32(in));
        uint32_t width;
        const uint8_t *types = branch_types(label, &width);
        if (index > 0 && width != arity) fail(b->v, wasm_error_type);
        arity = width;
        wasm_check_top(b, types, width);
        add_branch(b, label, from);
    }
    wasm_set_unreachable(b);
}

static void call(struct body *b, struct wasm_signature signature) {
    wasm_pop_all(b, signature.params, signature.param_count);
    wasm_push_all(b, signature.results, signature.result_count);
}

static void call_function(struct body *b) {
    uint32_t function = wasm_read_u32(&b->v->in);
    if (function >= b->v->module->functions)
        fail(b->v, wasm_error_unknown_function);
    else
        call(b, wasm_signature_of(b->v->module, function));
}

uint8_t wasm_read_table(struct body *b) {
    uint32_t table = wasm_read_u32(&b->v->in);
    if (table < b->v->known_tables) return b->v->tables[table];
    fail(b->v, wasm_error_unknown_table);
    return 0;
}

static void call_indirect(struct body *b) {
    uint32_t type = wasm_read_u32(&b->v->in);
    if (wasm_read_table(b) != wasm_funcref) fail(b->v, wasm_error_type);
    wasm_pop(b, wasm_i32);
    if (wasm_type_at(b->v, type) != NULL && b->v->in.error == wasm_ok) call(b, wasm_type_signature(b->v->module, type));
}

static void return_values(struct body *b) {
    struct label *label = b->label;
    while (label->outer != NULL) label = label->outer;
    wasm_pop_all(b, label->signature.results, label->signature.result_count);
    wasm_set_unreachable(b);
}

bool wasm_control(struct body *b, uint8_t opcode) {
    switch (opcode) {
    case 0x00: wasm_set_unreachable(b); return true;
    case 0x01: return true;
    case 0x02:
    case 0x03:
    case 0x04: block(b, opcode); return true;
    case 0x05: else_block(b); return true;
    case 0x0b: end_block(b); return true;
    case 0x0c:
    case 0x0d: branch(b, opcode); return true;
    case 0x0e: branch_table(b); return true;
    case 0x0f: return_values(b); return true;
    case 0x10: call_function(b); return true;
    case 0x11: call_indirect(b); return true;
    default: return false;
    }
}
