#include "validate.h"

#include <string.h>

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

static uint32_t offset(const struct body *b) { return (uint32_t)(b->v->in.at - b->v->module->bytes); }

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

/* ---- operands ---- */

static void push(struct body *b, uint8_t type) {
    if (b->operands + b->height >= (uint8_t *)b->pool || b->height >= WASM_MAXIMUM_HEIGHT) {
        fail(b->v, b->height >= WASM_MAXIMUM_HEIGHT ? wasm_error_implementation_limit : wasm_error_scratch);
        return;
    }
    b->operands[b->height++] = type;
    if (b->height > b->maximum_height) b->maximum_height = b->height;
}

static uint8_t pop_any(struct body *b) {
    if (b->height > b->label->height) return b->operands[--b->height];
    if (!b->label->is_unreachable) fail(b->v, wasm_error_type);
    return ANY_TYPE;
}

static void pop(struct body *b, uint8_t type) {
    uint8_t found = pop_any(b);
    if (found != type && found != ANY_TYPE && type != ANY_TYPE) fail(b->v, wasm_error_type);
}

static void push_all(struct body *b, const uint8_t *types, uint32_t count) {
    for (uint32_t index = 0; index < count; index++) push(b, types[index]);
}

static void pop_all(struct body *b, const uint8_t *types, uint32_t count) {
    while (count > 0) pop(b, types[--count]);
}

/* As pop_all and pushing back what was found. */
static void check_top(struct body *b, const uint8_t *types, uint32_t count) {
    uint32_t height = b->height;
    while (count > 0) {
        count--;
        if (height == b->label->height) {
            if (!b->label->is_unreachable) fail(b->v, wasm_error_type);
            return;
        }
        uint8_t found = b->operands[--height];
        if (found != types[count] && found != ANY_TYPE) fail(b->v, wasm_error_type);
    }
}

static void set_unreachable(struct body *b) {
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

static void begin_block(struct body *b, enum label_kind kind, struct wasm_signature signature) {
    struct label *label = take_node(b);
    if (label == NULL) return;
    label->outer = b->label;
    label->signature = signature;
    label->height = b->height;
    label->kind = (uint8_t)kind;
    label->from = offset(b);
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
    uint32_t from = offset(b);
    struct wasm_signature signature = read_block_type(b);
    if (opcode == 0x04) pop(b, wasm_i32);
    pop_all(b, signature.params, signature.param_count);
    if (b->v->in.error != wasm_ok) return;
    bool takes_branch = opcode == 0x04 && is_reached(b);
    begin_block(b, opcode == 0x02 ? label_block : opcode == 0x03 ? label_loop : label_if, signature);
    if (b->v->in.error != wasm_ok) return;
    if (takes_branch) {
        b->label->from = from;
        b->label->branch = b->v->branches++;
    }
    push_all(b, signature.params, signature.param_count);
}

static void check_block_end(struct body *b) {
    struct label *label = b->label;
    pop_all(b, label->signature.results, label->signature.result_count);
    if (b->height != label->height) fail(b->v, wasm_error_type);
}

static void resolve_if(struct body *b, struct label *label) {
    if (label->branch != NO_BRANCH) write_branch(b, label->branch, label->from, offset(b), b->v->branches, 0, 0);
}

static void else_block(struct body *b) {
    struct label *label = b->label;
    if (label->kind != label_if) {
        fail(b->v, wasm_error_opcode);
        return;
    }
    uint32_t from = offset(b);
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
    push_all(b, label->signature.params, label->signature.param_count);
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
    resolve(b, label, offset(b) - (label->kind == label_function ? 1 : 0));
    b->label = label->outer;
    give_node(b, label);
    if (b->label != NULL) push_all(b, signature.results, signature.result_count);
}

/* ---- control ---- */

static void branch(struct body *b, uint8_t opcode) {
    uint32_t from = offset(b);
    struct label *label = label_at(b, wasm_read_u32(&b->v->in));
    uint32_t count;
    const uint8_t *types = branch_types(label, &count);
    if (opcode == 0x0d) pop(b, wasm_i32);
    check_top(b, types, count);
    add_branch(b, label, from);
    if (opcode == 0x0d) {
        pop_all(b, types, count);
        push_all(b, types, count);
    } else {
        set_unreachable(b);
    }
}

static void branch_table(struct body *b) {
    struct wasm_reader *in = &b->v->in;
    uint32_t from = offset(b);
    uint32_t count = wasm_read_count(in);
    uint32_t arity = 0;
    pop(b, wasm_i32);
    for (uint32_t index = 0; index <= count && in->error == wasm_ok; index++) {
        struct label *label = label_at(b, wasm_read_u32(in));
        uint32_t width;
        const uint8_t *types = branch_types(label, &width);
        if (index > 0 && width != arity) fail(b->v, wasm_error_type);
        arity = width;
        check_top(b, types, width);
        add_branch(b, label, from);
    }
    set_unreachable(b);
}

static void call(struct body *b, struct wasm_signature signature) {
    pop_all(b, signature.params, signature.param_count);
    push_all(b, signature.results, signature.result_count);
}

static void call_function(struct body *b) {
    uint32_t function = wasm_read_u32(&b->v->in);
    if (function >= b->v->module->functions)
        fail(b->v, wasm_error_unknown_function);
    else
        call(b, wasm_signature_of(b->v->module, function));
}

static uint8_t read_table(struct body *b) {
    uint32_t table = wasm_read_u32(&b->v->in);
    if (table < b->v->known_tables) return b->v->tables[table];
    fail(b->v, wasm_error_unknown_table);
    return 0;
}

static void call_indirect(struct body *b) {
    uint32_t type = wasm_read_u32(&b->v->in);
    if (read_table(b) != wasm_funcref) fail(b->v, wasm_error_type);
    pop(b, wasm_i32);
    if (wasm_type_at(b->v, type) != NULL && b->v->in.error == wasm_ok) call(b, wasm_type_signature(b->v->module, type));
}

static void return_values(struct body *b) {
    struct label *label = b->label;
    while (label->outer != NULL) label = label->outer;
    pop_all(b, label->signature.results, label->signature.result_count);
    set_unreachable(b);
}

/* ---- variables, references, tables ---- */

static void select_value(struct body *b, uint8_t opcode) {
    uint8_t type = ANY_TYPE;
    if (opcode == 0x1c) {
        if (wasm_read_u32(&b->v->in) != 1) fail(b->v, wasm_error_type);
        type = wasm_read_value_type(&b->v->in);
    }
    pop(b, wasm_i32);
    if (opcode == 0x1c) {
        pop(b, type);
        pop(b, type);
    } else {
        uint8_t one = pop_any(b), other = pop_any(b);
        type = one == ANY_TYPE ? other : one;
        bool is_reference = type == wasm_funcref || type == wasm_externref;
        if (is_reference || (other != type && other != ANY_TYPE)) fail(b->v, wasm_error_type);
    }
    push(b, type);
}

static void local(struct body *b, uint8_t opcode) {
    uint32_t index = wasm_read_u32(&b->v->in);
    if (index >= b->locals) {
        fail(b->v, wasm_error_unknown_local);
        return;
    }
    uint8_t type = b->local_types[index];
    if (opcode != 0x20) pop(b, type);
    if (opcode != 0x21) push(b, type);
}

static void global(struct body *b, uint8_t opcode) {
    uint32_t index = wasm_read_u32(&b->v->in);
    if (index >= b->v->known_globals) {
        fail(b->v, wasm_error_unknown_global);
        return;
    }
    uint8_t type = b->v->globals[index];
    if (opcode == 0x23) {
        push(b, (uint8_t)(type & ~GLOBAL_IS_MUTABLE));
        return;
    }
    if ((type & GLOBAL_IS_MUTABLE) == 0) fail(b->v, wasm_error_immutable);
    pop(b, (uint8_t)(type & ~GLOBAL_IS_MUTABLE));
}

static void table_access(struct body *b, uint8_t opcode) {
    uint8_t type = read_table(b);
    if (opcode == 0x26) pop(b, type);
    pop(b, wasm_i32);
    if (opcode == 0x25) push(b, type);
}

static void reference(struct body *b, uint8_t opcode) {
    if (opcode == 0xd0) {
        push(b, wasm_read_reference_type(&b->v->in));
    } else if (opcode == 0xd1) {
        uint8_t type = pop_any(b);
        if (type != wasm_funcref && type != wasm_externref && type != ANY_TYPE) fail(b->v, wasm_error_type);
        push(b, wasm_i32);
    } else {
        uint32_t function = wasm_read_u32(&b->v->in);
        if (function >= b->v->module->functions)
            fail(b->v, wasm_error_unknown_function);
        else if (!wasm_is_declared(b->v, function))
            fail(b->v, wasm_error_undeclared);
        push(b, wasm_funcref);
    }
}

/* ---- memory ---- */

static void need_memory(struct body *b) {
    if (b->v->known_memories == 0) fail(b->v, wasm_error_unknown_memory);
}

static void need_zero(struct body *b) {
    if (wasm_read_byte(&b->v->in) != 0) fail(b->v, wasm_error_malformed);
    need_memory(b);
}

static void load_or_store(struct body *b, uint8_t opcode) {
    /* By opcode from i32.load on: the type's low four bits, and the logarithm of the width. */
    static const uint8_t shapes[] = {0xf2, 0xe3, 0xd2, 0xc3, 0xf0, 0xf0, 0xf1, 0xf1, 0xe0, 0xe0, 0xe1, 0xe1,
                                     0xe2, 0xe2, 0xf2, 0xe3, 0xd2, 0xc3, 0xf0, 0xf1, 0xe0, 0xe1, 0xe2};
    uint8_t shape = shapes[opcode - 0x28];
    uint8_t type = 0x70 | shape >> 4;
    uint32_t alignment = wasm_read_u32(&b->v->in);
    wasm_read_u32(&b->v->in);
    need_memory(b);
    if (alignment > (shape & 15)) fail(b->v, alignment < 32 ? wasm_error_alignment : wasm_error_malformed);
    if (opcode >= 0x36) pop(b, type);
    pop(b, wasm_i32);
    if (opcode < 0x36) push(b, type);
}

static void need_data_count(struct body *b) {
    uint32_t segment = wasm_read_u32(&b->v->in);
    if (!b->v->has_data_count)
        fail(b->v, wasm_error_data_count);
    else if (segment >= b->v->module->datas)
        fail(b->v, wasm_error_unknown_segment);
}

static uint8_t read_element(struct body *b) {
    uint32_t segment = wasm_read_u32(&b->v->in);
    if (segment < b->v->module->elements) return b->v->elements[segment];
    fail(b->v, wasm_error_unknown_segment);
    return 0;
}

static void pop_three(struct body *b, uint8_t middle) {
    pop(b, wasm_i32);
    pop(b, middle);
    pop(b, wasm_i32);
}

static void saturating(struct body *b, uint32_t opcode) {
    pop(b, (opcode & 2) != 0 ? wasm_f64 : wasm_f32);
    push(b, opcode < 4 ? wasm_i32 : wasm_i64);
}

static void prefixed(struct body *b) {
    uint32_t opcode = wasm_read_u32(&b->v->in);
    uint8_t type;
    switch (opcode) {
    case 8: /* memory.init */
        need_data_count(b);
        need_zero(b);
        pop_three(b, wasm_i32);
        break;
    case 9: /* data.drop */ need_data_count(b); break;
    case 10: /* memory.copy */
        need_zero(b);
        need_zero(b);
        pop_three(b, wasm_i32);
        break;
    case 11: /* memory.fill */
        need_zero(b);
        pop_three(b, wasm_i32);
        break;
    case 12: /* table.init */
        type = read_element(b);
        if (read_table(b) != type) fail(b->v, wasm_error_type);
        pop_three(b, wasm_i32);
        break;
    case 13: /* elem.drop */ read_element(b); break;
    case 14: /* table.copy */
        type = read_table(b);
        if (read_table(b) != type) fail(b->v, wasm_error_type);
        pop_three(b, wasm_i32);
        break;
    case 15: /* table.grow */
        type = read_table(b);
        pop(b, wasm_i32);
        pop(b, type);
        push(b, wasm_i32);
        break;
    case 16: /* table.size */
        read_table(b);
        push(b, wasm_i32);
        break;
    case 17: /* table.fill */ pop_three(b, read_table(b)); break;
    default:
        if (opcode < 8)
            saturating(b, opcode);
        else
            fail(b->v, wasm_error_opcode);
    }
}

/* ---- numbers ---- */

/* Runs of opcodes from i32.eqz to i64.extend32_s with the same shape: the last of the run, 1 for two operands, and the types' low four bits. */
struct numeric_run {
    uint8_t last;
    uint8_t is_binary;
    uint8_t types;
};

static const struct numeric_run runs[] = {
    {0x45, 0, 0xff}, {0x4f, 1, 0xff}, {0x50, 0, 0xef}, {0x5a, 1, 0xef}, {0x60, 1, 0xdf}, {0x66, 1, 0xcf}, {0x69, 0, 0xff}, {0x78, 1, 0xff},
    {0x7b, 0, 0xee}, {0x8a, 1, 0xee}, {0x91, 0, 0xdd}, {0x98, 1, 0xdd}, {0x9f, 0, 0xcc}, {0xa6, 1, 0xcc}, {0xa7, 0, 0xef}, {0xa9, 0, 0xdf},
    {0xab, 0, 0xcf}, {0xad, 0, 0xfe}, {0xaf, 0, 0xde}, {0xb1, 0, 0xce}, {0xb3, 0, 0xfd}, {0xb5, 0, 0xed}, {0xb6, 0, 0xcd}, {0xb8, 0, 0xfc},
    {0xba, 0, 0xec}, {0xbb, 0, 0xdc}, {0xbc, 0, 0xdf}, {0xbd, 0, 0xce}, {0xbe, 0, 0xfd}, {0xbf, 0, 0xec}, {0xc1, 0, 0xff}, {0xc4, 0, 0xee},
};

static void number(struct body *b, uint8_t opcode) {
    const struct numeric_run *run = runs;
    while (run->last < opcode) run++;
    uint8_t from = 0x70 | run->types >> 4;
    pop(b, from);
    if (run->is_binary) pop(b, from);
    push(b, 0x70 | (run->types & 15));
}

static void constant(struct body *b, uint8_t opcode) {
    struct wasm_reader *in = &b->v->in;
    if (opcode == 0x41) wasm_read_signed(in, 32);
    if (opcode == 0x42) wasm_read_signed(in, 64);
    if (opcode == 0x43) wasm_read_skip(in, 4);
    if (opcode == 0x44) wasm_read_skip(in, 8);
    push(b, (uint8_t)(wasm_i32 - (opcode - 0x41)));
}

static bool is_unsupported(uint8_t opcode) {
    bool is_exception = (opcode >= 0x06 && opcode <= 0x0a) || opcode == 0x18 || opcode == 0x19 || opcode == 0x1f;
    return is_exception || (opcode >= 0x12 && opcode <= 0x15) || (opcode >= 0xd3 && opcode <= 0xd6) || opcode == 0xfb || opcode >= 0xfd;
}

static void instruction(struct body *b, uint8_t opcode) {
    switch (opcode) {
    case 0x00: set_unreachable(b); return;
    case 0x01: return;
    case 0x02:
    case 0x03:
    case 0x04: block(b, opcode); return;
    case 0x05: else_block(b); return;
    case 0x0b: end_block(b); return;
    case 0x0c:
    case 0x0d: branch(b, opcode); return;
    case 0x0e: branch_table(b); return;
    case 0x0f: return_values(b); return;
    case 0x10: call_function(b); return;
    case 0x11: call_indirect(b); return;
    case 0x1a: pop_any(b); return;
    case 0x1b:
    case 0x1c: select_value(b, opcode); return;
    case 0x20:
    case 0x21:
    case 0x22: local(b, opcode); return;
    case 0x23:
    case 0x24: global(b, opcode); return;
    case 0x25:
    case 0x26: table_access(b, opcode); return;
    case 0x40: pop(b, wasm_i32); /* memory.grow, then as memory.size */ /* fallthrough */
    case 0x3f:
        need_zero(b);
        push(b, wasm_i32);
        return;
    case 0xd0:
    case 0xd1:
    case 0xd2: reference(b, opcode); return;
    case 0xfc: prefixed(b); return;
    default: break;
    }
    if (opcode >= 0x28 && opcode <= 0x3e)
        load_or_store(b, opcode);
    else if (opcode >= 0x41 && opcode <= 0x44)
        constant(b, opcode);
    else if (opcode >= 0x45 && opcode <= 0xc4)
        number(b, opcode);
    else
        fail(b->v, is_unsupported(opcode) ? wasm_error_unsupported : wasm_error_opcode);
}

/* ---- bodies ---- */

/* One byte per local, from the arena's low end. */
static void read_locals(struct body *b, struct wasm_signature signature) {
    struct validator *v = b->v;
    uint8_t *types = wasm_scratch(v, signature.param_count);
    if (types == NULL) return;
    if (signature.param_count > 0) memcpy(types, signature.params, signature.param_count);
    b->local_types = types;
    uint64_t total = signature.param_count;
    uint32_t groups = wasm_read_count(&v->in);
    for (uint32_t group = 0; group < groups && v->in.error == wasm_ok; group++) {
        uint32_t count = wasm_read_u32(&v->in);
        uint8_t type = wasm_read_value_type(&v->in);
        total += count;
        if (total > WASM_MAXIMUM_LOCALS || v->in.error != wasm_ok) continue;
        uint8_t *more = wasm_scratch(v, count);
        if (more != NULL) memset(more, type, count);
    }
    if (total > WASM_MAXIMUM_LOCALS) fail(v, total > UINT32_MAX ? wasm_error_malformed : wasm_error_implementation_limit);
    b->locals = (uint32_t)total;
}

static void write_function(struct body *b, uint32_t function, uint32_t code) {
    struct validator *v = b->v;
    struct wasm_table_function entry;
    memset(&entry, 0, sizeof entry);
    entry.code = code;
    entry.end = offset(b);
    entry.branch = b->first_branch;
    entry.locals = (uint16_t)b->locals;
    entry.height = (uint16_t)b->maximum_height;
    uint32_t functions = (uint32_t)((const uint8_t *)wasm_functions(v->module) - v->module->table);
    wasm_emit(v, functions + function * (uint32_t)sizeof entry + 8, (const uint8_t *)&entry + 8, sizeof entry - 8);
}

void wasm_validate_body(struct validator *v, uint32_t function, const uint8_t *end) {
    struct body b;
    memset(&b, 0, sizeof b);
    b.v = v;
    b.first_branch = v->branches;
    struct wasm_signature signature = wasm_signature_of(v->module, function);
    read_locals(&b, signature);
    uint32_t code = offset(&b);
    b.operands = v->low;
    b.pool = (union node *)(void *)v->high;
    begin_block(&b, label_function, signature);
    /* Its parameters are locals, not operands. */
    while (v->in.error == wasm_ok && b.label != NULL) instruction(&b, wasm_read_byte(&v->in));
    if (v->in.error == wasm_ok && v->in.at != end) fail(v, wasm_error_end);
    if (v->in.error == wasm_ok) write_function(&b, function, code);
}
