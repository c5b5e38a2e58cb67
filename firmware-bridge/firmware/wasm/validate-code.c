#include "validate-code.h"

#include <string.h>

/* ---- variables, references, tables ---- */

static void select_value(struct body *b, uint8_t opcode) {
    uint8_t type = ANY_TYPE;
    if (opcode == 0x1c) {
        if (wasm_read_u32(&b->v->in) != 1) fail(b->v, wasm_error_type);
        type = wasm_read_value_type(&b->v->in);
    }
    wasm_pop(b, wasm_i32);
    if (opcode == 0x1c) {
        wasm_pop(b, type);
        wasm_pop(b, type);
    } else {
        uint8_t one = wasm_pop_any(b), other = wasm_pop_any(b);
        type = one == ANY_TYPE ? other : one;
        bool is_reference = type == wasm_funcref || type == wasm_externref;
        if (is_reference || (other != type && other != ANY_TYPE)) fail(b->v, wasm_error_type);
    }
    wasm_push(b, type);
}

static void local(struct body *b, uint8_t opcode) {
    uint32_t index = wasm_read_u32(&b->v->in);
    if (index >= b->locals) {
        fail(b->v, wasm_error_unknown_local);
        return;
    }
    uint8_t type = b->local_types[index];
    if (opcode != 0x20) wasm_pop(b, type);
    if (opcode != 0x21) wasm_push(b, type);
}

static void global(struct body *b, uint8_t opcode) {
    uint32_t index = wasm_read_u32(&b->v->in);
    if (index >= b->v->known_globals) {
        fail(b->v, wasm_error_unknown_global);
        return;
    }
    uint8_t type = b->v->globals[index];
    if (opcode == 0x23) {
        wasm_push(b, (uint8_t)(type & ~GLOBAL_IS_MUTABLE));
        return;
    }
    if ((type & GLOBAL_IS_MUTABLE) == 0) fail(b->v, wasm_error_immutable);
    wasm_pop(b, (uint8_t)(type & ~GLOBAL_IS_MUTABLE));
}

static void table_access(struct body *b, uint8_t opcode) {
    uint8_t type = wasm_read_table(b);
    if (opcode == 0x26) wasm_pop(b, type);
    wasm_pop(b, wasm_i32);
    if (opcode == 0x25) wasm_push(b, type);
}

static void reference(struct body *b, uint8_t opcode) {
    if (opcode == 0xd0) {
        wasm_push(b, wasm_read_reference_type(&b->v->in));
    } else if (opcode == 0xd1) {
        uint8_t type = wasm_pop_any(b);
        if (type != wasm_funcref && type != wasm_externref && type != ANY_TYPE) fail(b->v, wasm_error_type);
        wasm_push(b, wasm_i32);
    } else {
        uint32_t function = wasm_read_u32(&b->v->in);
        if (function >= b->v->module->functions)
            fail(b->v, wasm_error_unknown_function);
        else if (!wasm_is_declared(b->v, function))
            fail(b->v, wasm_error_undeclared);
        wasm_push(b, wasm_funcref);
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
    if (opcode >= 0x36) wasm_pop(b, type);
    wasm_pop(b, wasm_i32);
    if (opcode < 0x36) wasm_push(b, type);
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
    wasm_pop(b, wasm_i32);
    wasm_pop(b, middle);
    wasm_pop(b, wasm_i32);
}

static void saturating(struct body *b, uint32_t opcode) {
    wasm_pop(b, (opcode & 2) != 0 ? wasm_f64 : wasm_f32);
    wasm_push(b, opcode < 4 ? wasm_i32 : wasm_i64);
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
        if (wasm_read_table(b) != type) fail(b->v, wasm_error_type);
        pop_three(b, wasm_i32);
        break;
    case 13: /* elem.drop */ read_element(b); break;
    case 14: /* table.copy */
        type = wasm_read_table(b);
        if (wasm_read_table(b) != type) fail(b->v, wasm_error_type);
        pop_three(b, wasm_i32);
        break;
    case 15: /* table.grow */
        type = wasm_read_table(b);
        wasm_pop(b, wasm_i32);
        wasm_pop(b, type);
        wasm_push(b, wasm_i32);
        break;
    case 16: /* table.size */
        wasm_read_table(b);
        wasm_push(b, wasm_i32);
        break;
    case 17: /* table.fill */ pop_three(b, wasm_read_table(b)); break;
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
    wasm_pop(b, from);
    if (run->is_binary) wasm_pop(b, from);
    wasm_push(b, 0x70 | (run->types & 15));
}

static void constant(struct body *b, uint8_t opcode) {
    struct wasm_reader *in = &b->v->in;
    if (opcode == 0x41) wasm_read_signed(in, 32);
    if (opcode == 0x42) wasm_read_signed(in, 64);
    if (opcode == 0x43) wasm_read_skip(in, 4);
    if (opcode == 0x44) wasm_read_skip(in, 8);
    wasm_push(b, (uint8_t)(wasm_i32 - (opcode - 0x41)));
}

static bool is_unsupported(uint8_t opcode) {
    bool is_exception = (opcode >= 0x06 && opcode <= 0x0a) || opcode == 0x18 || opcode == 0x19 || opcode == 0x1f;
    return is_exception || (opcode >= 0x12 && opcode <= 0x15) || (opcode >= 0xd3 && opcode <= 0xd6) || opcode == 0xfb || opcode >= 0xfd;
}

static void instruction(struct body *b, uint8_t opcode) {
    if (wasm_control(b, opcode)) return;
    switch (opcode) {
    case 0x1a: wasm_pop_any(b); return;
    case 0x1b:
    case 0x1c: select_value(b, opcode); return;
    case 0x20:
    case 0x21:
    case 0x22: local(b, opcode); return;
    case 0x23:
    case 0x24: global(b, opcode); return;
    case 0x25:
    case 0x26: table_access(b, opcode); return;
    case 0x40: wasm_pop(b, wasm_i32); /* memory.grow, then as memory.size */ /* fallthrough */
    case 0x3f:
        need_zero(b);
        wasm_push(b, wasm_i32);
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
    entry.end = body_offset(b);
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
    uint32_t code = body_offset(&b);
    b.operands = v->low;
    b.pool = (union node *)(void *)v->high;
    wasm_begin_block(&b, label_function, signature);
    /* Its parameters are locals, not operands. */
    while (v->in.error == wasm_ok && b.label != NULL) instruction(&b, wasm_read_byte(&v->in));
    if (v->in.error == wasm_ok && v->in.at != end) fail(v, wasm_error_end);
    if (v->in.error == wasm_ok) write_function(&b, function, code);
}
