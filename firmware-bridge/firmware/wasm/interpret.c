#include "interpret.h"
#include "number.h"
#include "opcodes.h"

/*
 * The interpreter proper: one function, threaded code with one jump per instruction. Nothing here checks what the validator has checked.
 *
 * `top` is the operand on top; the others lie below `sp`, in slots of 64 bits. With h operands `sp` is h slots above the frame's base, whose
 * first slot is spare: it takes what is in `top` when there is no operand. `*sp = top` therefore puts the operands into memory, in a row up to
 * and including `sp`. A frame on the stack:
 *
 *     fp → parameters and locals | struct frame | spare slot | operands        and then the callee's, which begins with its arguments
 */

typedef uint64_t slot;

/* What a callee restores. */
struct frame {
    /* NULL: back to C. */
    const uint8_t *pc;
    const struct wasm_table_branch *branch;
    slot *fp;
    const struct wasm_table_function *function;
};

#define FRAME_SLOTS ((sizeof(struct frame) + sizeof(slot) - 1) / sizeof(slot))
#define FUEL_PORTION (1 << 30)

/* LEB128 numbers of more than one byte: the value in the low half, its length in the high one. Two bytes are common. */
static uint64_t __attribute__((noinline)) long_u32(const uint8_t *pc) {
    uint32_t value = (pc[0] & 0x7fu) | (pc[1] & 0x7fu) << 7;
    unsigned length = 2;
    while ((pc[length - 1] & 0x80) != 0) {
        value |= (pc[length] & 0x7fu) << (7 * length);
        length++;
    }
    return (uint64_t)length << 32 | value;
}

static const uint8_t *__attribute__((noinline)) skip_leb(const uint8_t *pc) {
    while ((*pc++ & 0x80) != 0) continue;
    return pc;
}

static const uint8_t *__attribute__((noinline)) long_signed(const uint8_t *pc, slot *value) {
    slot bits = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *pc++;
        bits |= (slot)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    if (shift < 64 && (byte & 0x40) != 0) bits |= ~(slot)0 << shift;
    *value = bits;
    return pc;
}

/* The offset, and how long it and the alignment are. */
static uint64_t __attribute__((noinline)) long_memory_argument(const uint8_t *pc) {
    const uint8_t *from = skip_leb(pc);
    uint64_t offset = *from < 0x80 ? (uint64_t)1 << 32 | *from : long_u32(from);
    return offset + ((uint64_t)(from - pc) << 32);
}

/* More fuel for what has been spent already; false if there is none. */
static bool __attribute__((noinline)) refuel(struct wasm_instance *instance) {
    uint64_t portion = instance->fuel < FUEL_PORTION ? instance->fuel : FUEL_PORTION;
    instance->fuel -= portion;
    instance->fuel_portion = (int32_t)portion - 1;
    return portion > 0;
}

static bool same_signature(const struct wasm_module *module, const struct wasm_table_function *function, uint32_t type) {
    return function->canonical == wasm_types(module)[type].canonical;
}

/* Whether an access is out of bounds, and where it is: with 64-bit sums where they cost nothing. */
static inline bool is_outside(uint32_t base, uint32_t offset, uint32_t width, uint32_t bytes, size_t *at) {
    if (sizeof(size_t) > sizeof(uint32_t)) {
        uint64_t sum = (uint64_t)base + offset;
        *at = (size_t)sum;
        return sum + width > bytes;
    }
    uint32_t sum, end;
    bool is_over = __builtin_add_overflow(base, offset, &sum);
    *at = sum;
    return is_over || __builtin_add_overflow(sum, width, &end) || end > bytes;
}

#define LIKELY(condition) __builtin_expect(condition, 1)

/* Immediates: one byte is the rule. */
#define U32(name)                                                                                                                         \
    uint32_t name = *pc;                                                                                                                  \
    if (LIKELY(name < 0x80)) {                                                                                                            \
        pc++;                                                                                                                             \
    } else {                                                                                                                              \
        uint64_t longer = long_u32(pc);                                                                                                   \
        name = (uint32_t)longer;                                                                                                          \
        pc += longer >> 32;                                                                                                               \
    }
/* The alignment says nothing that matters here. */
#define MEMORY_ARGUMENT()                                                                                                                 \
    uint32_t offset = pc[1];                                                                                                              \
    if (!LIKELY(((pc[0] | offset) & 0x80) == 0)) {                                                                                        \
        uint64_t longer = long_memory_argument(pc);                                                                                       \
        offset = (uint32_t)longer;                                                                                                        \
        pc += (longer >> 32) - 2;                                                                                                         \
    }                                                                                                                                     \
    pc += 2;                                                                                                                              \
    size_t at
#define SKIP() do if (!LIKELY(*pc++ < 0x80)) pc = skip_leb(pc); while (0)

#ifdef __thumb__
/* One jump for all: these cores predict none, and go through one in any case. Each instruction takes 8 bytes less, and no longer. */
#define NEXT() goto next
#else
/* A jump of its own for each instruction, which a processor that predicts jumps tells apart. */
#define NEXT() goto *labels[*pc++]
#endif
#define PUSH(value) do { slot pushed = (value); *sp++ = top; top = pushed; } while (0)
#define TRAP(code) do { error = wasm_error_trap_##code; goto trap; } while (0)
#define SPEND() do if (!LIKELY(--instance->fuel_portion >= 0) && !refuel(instance)) goto trap_fuel; while (0)

/* Goes where the branch entry says, with `pc` right behind the opcode. */
#define TAKE()                                                                                                                            \
    do {                                                                                                                                  \
        int32_t jump = branch->jump;                                                                                                      \
        uint32_t drop = branch->drop;                                                                                                     \
        branch += branch->step;                                                                                                           \
        pc += jump >> 8;                                                                                                                  \
        if (drop != 0) {                                                                                                                  \
            uint32_t keep = (uint32_t)jump & 0xff;                                                                                        \
            if (keep > 1) memmove(sp - keep + 1 - drop, sp - keep + 1, (keep - 1) * sizeof *sp);                                          \
            sp -= drop;                                                                                                                   \
            if (keep == 0) top = *sp;                                                                                                     \
        }                                                                                                                                 \
        SPEND();                                                                                                                          \
    } while (0)

#define UNARY(name, expression) op_##name: { slot a = top; (void)a; top = (expression); NEXT(); }
#define BINARY(name, type, expression) op_##name: { type b = (type)top; type a = (type)*--sp; top = (expression); NEXT(); }
/* What tells two operands apart is often what a br_if waits for. */
#define COMPARE(name, type, expression) op_##name: { type b = (type)top; type a = (type)*--sp; condition = (expression); goto decided; }
#define COMPARE_F32(name, expression) op_##name: { float b = as_f32(top), a = as_f32(*--sp); condition = (expression); goto decided; }
#define COMPARE_F64(name, expression) op_##name: { double b = as_f64(top), a = as_f64(*--sp); condition = (expression); goto decided; }
#define BINARY_F32(name, expression) op_##name: { float b = as_f32(top), a = as_f32(*--sp); top = (expression); NEXT(); }
#define BINARY_F64(name, expression) op_##name: { double b = as_f64(top), a = as_f64(*--sp); top = (expression); NEXT(); }
#define TRUNCATE(name, value, to)                                                                                                         \
    op_##name: {                                                                                                                          \
        number = (value);                                                                                                                 \
        conversion = to;                                                                                                                  \
        goto truncate;                                                                                                                    \
    }

#define LOAD(name, type, as)                                                                                                              \
    op_##name: {                                                                                                                          \
        MEMORY_ARGUMENT();                                                                                                                \
        if (is_outside((uint32_t)top, offset, sizeof(type), memory_bytes, &at)) goto trap_memory;                                         \
        type value;                                                                                                                       \
        memcpy(&value, memory + at, sizeof value);                                                                                \
        top = (slot)(as)value;                                                                                                            \
        NEXT();                                                                                                                           \
    }
#define STORE(name, type)                                                                                                                 \
    op_##name: {                                                                                                                          \
        MEMORY_ARGUMENT();                                                                                                                \
        type value = (type)top;                                                                                                           \
        if (is_outside((uint32_t)sp[-1], offset, sizeof(type), memory_bytes, &at)) goto trap_memory;                                      \
        memcpy(memory + at, &value, sizeof value);                                                                                \
        sp -= 2;                                                                                                                          \
        top = *sp;                                                                                                                        \
        NEXT();                                                                                                                           \
    }

enum wasm_error wasm_interpret(struct wasm_instance *instance, const struct wasm_table_function *function, slot *sp) {
#define LABEL(code, name) [code] = &&op_##name,
#define ILLEGAL_LABELS(from, to) [from ... to] = &&op_illegal,
    static const void *const labels[256] = {WASM_OPCODES(LABEL) WASM_ILLEGAL_OPCODES(ILLEGAL_LABELS)};
#undef LABEL
#undef ILLEGAL_LABELS
    const uint8_t *pc = NULL;
    const struct wasm_table_branch *branch = NULL;
    slot *fp = NULL;
    slot top = *sp;
    uint8_t *memory = NULL;
    uint32_t memory_bytes = 0;
    enum wasm_error error = wasm_ok;
    uint32_t callee;
    double number;
    unsigned conversion;
    uint32_t condition;
    slot outcome;

#define RELOAD_MEMORY()                                                                                                                   \
    do {                                                                                                                                  \
        const struct wasm_memory *now = instance->memory;                                                                                 \
        if (now != NULL) {                                                                                                                \
            memory = now->data;                                                                                                           \
            memory_bytes = now->bytes;                                                                                                    \
        }                                                                                                                                 \
    } while (0)

    RELOAD_MEMORY();
    callee = (uint32_t)(function - instance->functions);
    goto enter;

    /* ---- control ---- */

next:
    __attribute__((unused));
    goto *labels[*pc++];

op_illegal:
op_unreachable:
    TRAP(unreachable);
op_nop:
    NEXT();
op_block:
    SKIP();
    NEXT();
op_if: {
    condition = (uint32_t)top;
    top = *--sp;
    if (condition != 0) {
        branch++;
        SKIP();
        NEXT();
    }
}
op_else: {
    int32_t jump = branch->jump;
    branch += branch->step;
    pc += jump >> 8;
    NEXT();
}
op_br:
    TAKE();
    NEXT();
decided:
    if (*pc != 0x0d) {
        top = condition;
        NEXT();
    }
    pc++;
    goto br_if;
op_br_if:
    condition = (uint32_t)top;
br_if:
    top = *--sp;
    if (condition != 0) goto op_br;
    branch++;
    SKIP();
    NEXT();
op_br_table: {
    const uint8_t *from = pc;
    U32(count);
    uint32_t index = (uint32_t)top;
    top = *--sp;
    branch += index < count ? index : count;
    pc = from;
    goto op_br;
}
op_end:
    if (pc != instance->end) NEXT();
op_return: {
    struct frame frame;
    const struct wasm_table_function *left = instance->function;
    memcpy(&frame, fp + left->locals, sizeof frame);
    uint32_t results = left->results;
    slot *to = fp;
    if (results == 1) {
        sp = to;
    } else {
        *sp = top;
        if (results > 1) memmove(to, sp + 1 - results, results * sizeof *sp);
        sp = to + results - 1;
        top = *sp;
    }
    if (frame.pc == NULL) {
        *sp = top;
        goto leave;
    }
    pc = frame.pc;
    branch = frame.branch;
    fp = frame.fp;
    instance->function = frame.function;
    instance->end = instance->bytes + frame.function->end;
    NEXT();
}
op_call: {
    U32(index);
    callee = index;
}
call:
    SPEND();
    *sp = top;
    if (callee < instance->module->imported_functions) {
        uint64_t *values = sp + 1 - instance->functions[callee].params;
        error = wasm_call_import(instance, callee, values);
        if (error != wasm_ok) goto trap;
        sp = values + instance->functions[callee].results - 1;
        top = *sp;
        RELOAD_MEMORY();
        NEXT();
    }
enter: {
    const struct wasm_table_function *entered = instance->functions + callee;
    uint32_t params = entered->params;
    slot *arguments = sp + 1 - params;
    uint32_t locals = entered->locals;
    slot *base = arguments + locals + FRAME_SLOTS;
    if ((size_t)(instance->stack_end - sp) <= locals + FRAME_SLOTS + entered->height + 1u) TRAP(stack);
    struct frame frame = {pc, branch, fp, instance->function};
    for (slot *local = arguments + params; params < locals; params++) *local++ = 0;
    memcpy(arguments + locals, &frame, sizeof frame);
    instance->function = entered;
    fp = arguments;
    sp = base;
    pc = instance->bytes + entered->code;
    instance->end = instance->bytes + entered->end;
    branch = instance->branches + entered->branch;
    NEXT();
}
op_call_indirect: {
    U32(type);
    U32(table_index);
    const struct wasm_table *table = instance->tables[table_index];
    uint32_t index = (uint32_t)top;
    top = *--sp;
    if (index >= table->size) TRAP(undefined);
    uint32_t ref = table->elements[index];
    if (ref == WASM_NULL) TRAP(uninitialized);
    if (ref >> WASM_REF_BITS == instance->id) {
        callee = ref & ((1u << WASM_REF_BITS) - 1);
        if (!same_signature(instance->module, instance->functions + callee, type)) TRAP(indirect);
        goto call;
    }
    SPEND();
    *sp = top;
    const struct wasm_table_type *signature = wasm_types(instance->module) + type;
    uint64_t *values = sp + 1 - signature->params;
    error = wasm_call_foreign(instance, ref, type, values);
    if (error != wasm_ok) goto trap;
    sp = values + signature->results - 1;
    top = *sp;
    RELOAD_MEMORY();
    NEXT();
}

    /* ---- operands and variables ---- */

op_drop:
    top = *--sp;
    NEXT();
op_select_typed:
    SKIP();
    SKIP();
op_select: {
    condition = (uint32_t)top;
    sp -= 2;
    top = condition != 0 ? sp[0] : sp[1];
    NEXT();
}
    /* The fast ways of these read ahead by fixed distances, and do what most often follows without a jump through the table. */
op_local_get: {
    uint32_t index = pc[0];
    if (!LIKELY(index < 0x80)) goto long_local_get;
    *sp++ = top;
    top = fp[index];
    pc += 2;
}
got: {
    uint8_t next = pc[-1];
    if (next == 0x41) goto op_i32_const;
    if (next == 0x20) goto op_local_get;
    goto *labels[next];
}
long_local_get: {
    U32(index);
    PUSH(fp[index]);
    NEXT();
}
op_local_set: {
    uint32_t index = pc[0];
    if (!LIKELY(index < 0x80)) goto long_local_set;
    uint8_t next = pc[1];
    fp[index] = top;
    pc += 2;
    if (next == 0x20 && LIKELY(pc[0] < 0x80)) {
        top = fp[pc[0]];
        pc += 2;
        goto got;
    }
    top = *--sp;
    goto *labels[next];
}
long_local_set: {
    U32(index);
    fp[index] = top;
    top = *--sp;
    NEXT();
}
op_local_tee: {
    uint32_t index = pc[0];
    if (!LIKELY(index < 0x80)) goto long_local_tee;
    fp[index] = top;
    pc += 2;
    goto *labels[pc[-1]];
}
long_local_tee: {
    U32(index);
    fp[index] = top;
    NEXT();
}
op_global_get: {
    U32(index);
    PUSH(*wasm_global(instance, index));
    NEXT();
}
op_global_set: {
    U32(index);
    *wasm_global(instance, index) = top;
    top = *--sp;
    NEXT();
}
op_table_get: {
    U32(index);
    const struct wasm_table *table = instance->tables[index];
    if ((uint32_t)top >= table->size) TRAP(table);
    top = table->elements[(uint32_t)top];
    NEXT();
}
op_table_set: {
    U32(index);
    struct wasm_table *table = instance->tables[index];
    uint32_t at = (uint32_t)sp[-1];
    if (at >= table->size) TRAP(table);
    table->elements[at] = (uint32_t)top;
    sp -= 2;
    top = *sp;
    NEXT();
}
op_ref_null:
    pc++;
    PUSH(WASM_NULL);
    NEXT();
op_ref_is_null:
    top = (uint32_t)top == WASM_NULL;
    NEXT();
op_ref_func: {
    U32(index);
    PUSH(wasm_function_ref(instance, index));
    NEXT();
}

    /* ---- memory ---- */

    LOAD(load_32, uint32_t, uint32_t)
    LOAD(load_64, uint64_t, uint64_t)
    LOAD(i32_load8_s, int8_t, int32_t)
    LOAD(load8_u, uint8_t, uint32_t)
    LOAD(i32_load16_s, int16_t, int32_t)
    LOAD(load16_u, uint16_t, uint32_t)
    LOAD(i64_load8_s, int8_t, int64_t)
    LOAD(i64_load16_s, int16_t, int64_t)
    LOAD(i64_load32_s, int32_t, int64_t)
    STORE(store_32, uint32_t)
    STORE(store_64, uint64_t)
    STORE(store_8, uint8_t)
    STORE(store_16, uint16_t)
op_memory_size:
    pc++;
    PUSH(instance->memory->pages);
    NEXT();
op_memory_grow:
    pc++;
    top = wasm_memory_grow(instance->memory, (uint32_t)top);
    RELOAD_MEMORY();
    NEXT();

    /* ---- constants ---- */

op_i32_const: {
    uint32_t byte = pc[0];
    if (!LIKELY(byte < 0x80)) goto long_i32_const;
    uint8_t next = pc[1];
    uint32_t value = (uint32_t)((int32_t)(byte << 25) >> 25);
    pc += 2;
    if (next == 0x6a) {
        top = (uint32_t)top + value;
        NEXT();
    }
    *sp++ = top;
    top = value;
    goto *labels[next];
}
long_i32_const: {
    /* Its sign is the highest bit of its last byte. */
    uint64_t longer = long_u32(pc);
    unsigned used = 7 * (uint32_t)(longer >> 32);
    uint32_t value = (uint32_t)longer;
    pc += longer >> 32;
    if (used < 32) value = (uint32_t)((int32_t)(value << (32 - used)) >> (32 - used));
    if (*pc == 0x6a) {
        pc++;
        top = (uint32_t)top + value;
        NEXT();
    }
    PUSH(value);
    NEXT();
}
op_i64_const:
    pc = long_signed(pc, &outcome);
    PUSH(outcome);
    NEXT();
op_f32_const: {
    uint32_t bits;
    memcpy(&bits, pc, sizeof bits);
    pc += sizeof bits;
    PUSH(bits);
    NEXT();
}
op_f64_const: {
    uint64_t bits;
    memcpy(&bits, pc, sizeof bits);
    pc += sizeof bits;
    PUSH(bits);
    NEXT();
}

    /* ---- integers ---- */

#define INTEGER(t, u, s, bits, clz, ctz, popcnt)                                                                                          \
    op_##t##_eqz:                                                                                                                         \
    condition = (u)top == 0;                                                                                                              \
    goto decided;                                                                                                                         \
    COMPARE(t##_eq, u, a == b)                                                                                                             \
    COMPARE(t##_ne, u, a != b)                                                                                                             \
    COMPARE(t##_lt_s, s, a < b)                                                                                                            \
    COMPARE(t##_lt_u, u, a < b)                                                                                                            \
    COMPARE(t##_gt_s, s, a > b)                                                                                                            \
    COMPARE(t##_gt_u, u, a > b)                                                                                                            \
    COMPARE(t##_le_s, s, a <= b)                                                                                                           \
    COMPARE(t##_le_u, u, a <= b)                                                                                                           \
    COMPARE(t##_ge_s, s, a >= b)                                                                                                           \
    COMPARE(t##_ge_u, u, a >= b)                                                                                                           \
    UNARY(t##_clz, (u)a == 0 ? bits : (slot)clz((u)a))                                                                                    \
    UNARY(t##_ctz, (u)a == 0 ? bits : (slot)ctz((u)a))                                                                                    \
    UNARY(t##_popcnt, (slot)popcnt((u)a))                                                                                                 \
    BINARY(t##_add, u, a + b)                                                                                                             \
    BINARY(t##_sub, u, a - b)                                                                                                             \
    BINARY(t##_mul, u, a *b)                                                                                                              \
    BINARY(t##_and, u, a &b)                                                                                                              \
    BINARY(t##_or, u, a | b)                                                                                                              \
    BINARY(t##_xor, u, a ^ b)                                                                                                             \
    BINARY(t##_shl, u, a << (b & (bits - 1)))                                                                                             \
    BINARY(t##_shr_s, s, (u)(a >> (b & (bits - 1))))                                                                                      \
    BINARY(t##_shr_u, u, a >> (b & (bits - 1)))                                                                                           \
    BINARY(t##_rotl, u, a << (b & (bits - 1)) | a >> (-b & (bits - 1)))                                                                   \
    op_##t##_rotr:                                                                                                                        \
    top = -top;                                                                                                                           \
    goto op_##t##_rotl;                                                                                                                   \
    op_##t##_div_s: {                                                                                                                     \
        s b = (s)top, a = (s)*--sp;                                                                                                       \
        if (b == 0) goto trap_divide;                                                                                                     \
        if (b == -1 && (u)a == (u)1 << (bits - 1)) TRAP(overflow);                                                                        \
        top = (u)(a / b);                                                                                                                 \
        NEXT();                                                                                                                           \
    }                                                                                                                                     \
    op_##t##_rem_s: {                                                                                                                     \
        s b = (s)top, a = (s)*--sp;                                                                                                       \
        if (b == 0) goto trap_divide;                                                                                                     \
        top = b == -1 ? 0 : (u)(a % b);                                                                                                   \
        NEXT();                                                                                                                           \
    }                                                                                                                                     \
    op_##t##_div_u: {                                                                                                                     \
        u b = (u)top, a = (u)*--sp;                                                                                                       \
        if (b == 0) goto trap_divide;                                                                                                     \
        top = a / b;                                                                                                                      \
        NEXT();                                                                                                                           \
    }                                                                                                                                     \
    op_##t##_rem_u: {                                                                                                                     \
        u b = (u)top, a = (u)*--sp;                                                                                                       \
        if (b == 0) goto trap_divide;                                                                                                     \
        top = a % b;                                                                                                                      \
        NEXT();                                                                                                                           \
    }

    INTEGER(i32, uint32_t, int32_t, 32, __builtin_clz, __builtin_ctz, __builtin_popcount)
    INTEGER(i64, uint64_t, int64_t, 64, __builtin_clzll, __builtin_ctzll, __builtin_popcountll)
    UNARY(i32_extend8_s, (slot)(int8_t)a)
    UNARY(i32_extend16_s, (slot)(int16_t)a)
    UNARY(i64_extend8_s, (slot)(int8_t)a)
    UNARY(i64_extend16_s, (slot)(int16_t)a)
    UNARY(i64_extend_s, (slot)(int32_t)a)
    UNARY(i64_extend_u, (uint32_t)a)

    /* ---- floating point ---- */

    COMPARE_F32(f32_eq, a == b)
    COMPARE_F32(f32_ne, a != b)
    COMPARE_F32(f32_lt, a < b)
    COMPARE_F32(f32_gt, a > b)
    COMPARE_F32(f32_le, a <= b)
    COMPARE_F32(f32_ge, a >= b)
    COMPARE_F64(f64_eq, a == b)
    COMPARE_F64(f64_ne, a != b)
    COMPARE_F64(f64_lt, a < b)
    COMPARE_F64(f64_gt, a > b)
    COMPARE_F64(f64_le, a <= b)
    COMPARE_F64(f64_ge, a >= b)
#define SIGN_32 ((uint32_t)1 << 31)
#define SIGN_64 ((uint64_t)1 << 63)
    UNARY(f32_abs, (uint32_t)a & ~SIGN_32)
    UNARY(f32_neg, (uint32_t)a ^ SIGN_32)
    UNARY(f32_ceil, from_f32((float)wasm_round(as_f32(a), wasm_ceil)))
    UNARY(f32_floor, from_f32((float)wasm_round(as_f32(a), wasm_floor)))
    UNARY(f32_trunc, from_f32((float)wasm_round(as_f32(a), wasm_trunc)))
    UNARY(f32_nearest, from_f32((float)wasm_round(as_f32(a), wasm_nearest)))
    UNARY(f32_sqrt, from_f32((float)wasm_sqrt(as_f32(a))))
    BINARY_F32(f32_add, from_f32(a + b))
    BINARY_F32(f32_sub, from_f32(a - b))
    BINARY_F32(f32_mul, from_f32(a * b))
    BINARY_F32(f32_div, from_f32(a / b))
    BINARY_F32(f32_min, from_f32((float)wasm_minimum(a, b)))
    BINARY_F32(f32_max, from_f32((float)wasm_maximum(a, b)))
    BINARY(f32_copysign, uint32_t, (a & ~SIGN_32) | (b & SIGN_32))
    UNARY(f64_abs, a & ~SIGN_64)
    UNARY(f64_neg, a ^ SIGN_64)
    UNARY(f64_ceil, from_f64(wasm_round(as_f64(a), wasm_ceil)))
    UNARY(f64_floor, from_f64(wasm_round(as_f64(a), wasm_floor)))
    UNARY(f64_trunc, from_f64(wasm_round(as_f64(a), wasm_trunc)))
    UNARY(f64_nearest, from_f64(wasm_round(as_f64(a), wasm_nearest)))
    UNARY(f64_sqrt, from_f64(wasm_sqrt(as_f64(a))))
    BINARY_F64(f64_add, from_f64(a + b))
    BINARY_F64(f64_sub, from_f64(a - b))
    BINARY_F64(f64_mul, from_f64(a * b))
    BINARY_F64(f64_div, from_f64(a / b))
    BINARY_F64(f64_min, from_f64(wasm_minimum(a, b)))
    BINARY_F64(f64_max, from_f64(wasm_maximum(a, b)))
    BINARY(f64_copysign, uint64_t, (a & ~SIGN_64) | (b & SIGN_64))

    /* ---- conversions ---- */

    UNARY(f32_convert_i32_s, from_f32((float)(int32_t)a))
    UNARY(f32_convert_i32_u, from_f32((float)(uint32_t)a))
    UNARY(f32_convert_i64_s, from_f32((float)(int64_t)a))
    UNARY(f32_convert_i64_u, from_f32((float)a))
    UNARY(f32_demote, from_f32((float)as_f64(a)))
    UNARY(f64_convert_i32_s, from_f64((int32_t)a))
    UNARY(f64_convert_i32_u, from_f64((uint32_t)a))
    UNARY(f64_convert_i64_s, from_f64((double)(int64_t)a))
    UNARY(f64_convert_i64_u, from_f64((double)a))
    UNARY(f64_promote, from_f64(as_f32(a)))
    TRUNCATE(i32_trunc_f32_s, as_f32(top), 0)
    TRUNCATE(i32_trunc_f32_u, as_f32(top), 1)
    TRUNCATE(i32_trunc_f64_s, as_f64(top), 0)
    TRUNCATE(i32_trunc_f64_u, as_f64(top), 1)
    TRUNCATE(i64_trunc_f32_s, as_f32(top), 2)
    TRUNCATE(i64_trunc_f32_u, as_f32(top), 3)
    TRUNCATE(i64_trunc_f64_s, as_f64(top), 2)
    TRUNCATE(i64_trunc_f64_u, as_f64(top), 3)
truncate:
    error = wasm_truncate(number, conversion, false, &outcome);
    if (error != wasm_ok) goto trap;
    top = outcome;
    NEXT();

op_prefixed: {
    U32(opcode);
    if (opcode < 8) {
        /* i32 from f32 and f64, then i64, each signed and unsigned. */
        number = (opcode & 2) != 0 ? as_f64(top) : as_f32(top);
        wasm_truncate(number, (opcode & 1) | (opcode & 4) >> 1, true, &outcome);
        top = outcome;
        NEXT();
    }
    /* By opcode from memory.init on: how many immediates, operands and results. */
    static const uint8_t shapes[] = {0x23, 0x10, 0x23, 0x13, 0x23, 0x10, 0x23, 0x12, 0x10, 0x13};
    uint8_t shape = shapes[opcode - 8];
    uint32_t operands = shape & 15;
    bool has_result = opcode == 15 || opcode == 16;
    U32(one);
    uint32_t other = 0;
    if (shape >= 0x20) {
        U32(second);
        other = second;
    }
    *sp = top;
    slot *values = sp + 1 - operands;
    error = wasm_bulk(instance, opcode, one, other, operands == 0 ? &outcome : values);
    if (error != wasm_ok) goto trap;
    if (operands == 0) {
        if (has_result) PUSH(outcome);
        NEXT();
    }
    sp = values - (has_result ? 0 : 1);
    top = *sp;
    NEXT();
}

trap_memory:
    TRAP(memory);
trap_divide:
    TRAP(divide);
trap_fuel:
    instance->fuel_portion = 0;
    TRAP(fuel);
trap:
    if (pc != NULL) instance->trapped_at = (uint32_t)(pc - instance->bytes);
leave:
    wasm_return_fuel(instance);
    return error;
}
