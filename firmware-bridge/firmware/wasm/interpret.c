#include "interpret.h"
#include "immediates.h"
#include "number.h"
#include "opcodes.h"

/*
 * The interpreter proper: one function, threaded code with one jump per instruction. Nothing here checks what the validator has checked. What
 * each instruction does stands in the parts that the function includes: interpret-control.inc, -variables, -memory, -numbers.
 *
 * `top` is the operand on top; the others lie below `sp`, in slots of 64 bits. With h operands `sp` is h slots above the frame's base, whose
 * first slot is spare: it takes what is in `top` when there is no operand. `*sp = top` therefore puts the operands into memory, in a row up to
 * and including `sp`. A frame on the stack:
 *
 *     fp → parameters and locals | struct frame | spare slot | operands        and then the callee's, which begins with its arguments
 */

typedef uint64_t slot;

/* What a callee restores. It lies in slots. */
struct __attribute__((may_alias)) frame {
    /* NULL: back to C. */
    const uint8_t *pc;
    const struct wasm_table_branch *branch;
    slot *fp;
    const struct wasm_table_function *function;
};

#define FRAME_SLOTS ((sizeof(struct frame) + sizeof(slot) - 1) / sizeof(slot))
#define FUEL_PORTION (1 << 30)

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

/*
 * A value of 32 bits as an operand, instead of another. The high half means nothing: where registers have 32 bits it stays what it is, and a
 * checked build puts in something that nobody could take for right.
 */
static inline slot with_low(slot before, uint32_t low) {
#ifdef __SANITIZE_ADDRESS__
    before = (slot)0xdeadbeef << 32;
#else
    if (sizeof(size_t) > sizeof(uint32_t)) return low;
#endif
    return (before & ~(slot)UINT32_MAX) | low;
}

/*
 * While an instruction is done `pc` stands at its opcode, and where it has read more than one byte, at the next one's. NEXT goes on so many
 * bytes from there; only then is the opcode read, so that there is one `pc` at a time, in one register.
 */
#ifdef __thumb__
/* One jump for all: these cores predict none, and go through one in any case. Each instruction takes less flash. */
#define NEXT(length)                                                                                                                      \
    do {                                                                                                                                  \
        if ((length) == 1) goto next;                                                                                                     \
        pc += (length);                                                                                                                   \
        goto here;                                                                                                                        \
    } while (0)
#define DECIDED() goto decided
#else
/*
 * A jump of its own for each instruction, which a processor that predicts jumps tells apart. It takes longer than the work of most instructions,
 * so the one that follows most often is gone to without it.
 */
#define NEXT(length)                                                                                                                      \
    do {                                                                                                                                  \
        pc += (length);                                                                                                                   \
        if (*pc == 0x20) goto op_local_get;                                                                                               \
        GO(*pc);                                                                                                                          \
    } while (0)
#define DECIDED()                                                                                                                         \
    do {                                                                                                                                  \
        if (pc[1] == 0x0d) goto decided;                                                                                                  \
        SET_I32(top, condition);                                                                                                          \
        NEXT(1);                                                                                                                          \
    } while (0)
#endif
#define GO(next) goto *labels[next]
#define PUSH(value) do { sp++; sp[-1] = top; top = (value); } while (0)
#define PUSH_I32(value) do { sp++; sp[-1] = top; SET_I32(top, value); } while (0)
#define SET(operand, value)                                                                                                               \
    do {                                                                                                                                  \
        if (sizeof(value) <= 4) SET_I32(operand, value);                                                                                  \
        else operand = (slot)(value);                                                                                                     \
    } while (0)
#define TRAP(code) do { error = wasm_error_trap_##code; goto trap; } while (0)
#define SPEND() do if (!LIKELY(--instance->fuel_portion >= 0) && !refuel(instance)) goto trap_fuel; while (0)
#define SET_I32(operand, value) operand = with_low(operand, (uint32_t)(value))

#define RELOAD_MEMORY()                                                                                                                   \
    do {                                                                                                                                  \
        const struct wasm_memory *now = instance->memory;                                                                                 \
        if (now != NULL) {                                                                                                                \
            memory = now->data;                                                                                                           \
            memory_bytes = now->bytes;                                                                                                    \
        }                                                                                                                                 \
    } while (0)

enum wasm_error wasm_interpret(struct wasm_instance *instance, const struct wasm_table_function *callee, slot *sp) {
    const uint8_t *pc = NULL;
    /* The running function, and where its last `end` is. */
    const struct wasm_table_function *function = NULL;
    const uint8_t *last = NULL;
    const struct wasm_table_branch *branch = NULL;
    slot *fp = NULL;
    slot top = *sp;
    uint8_t *memory = NULL;
    uint32_t memory_bytes = 0;
    enum wasm_error error = wasm_ok;
    double number;
    unsigned conversion;
    uint32_t condition;
    slot outcome;

#define LABEL(code, name) [code] = &&op_##name,
#define ILLEGAL_LABELS(from, to) [from ... to] = &&op_illegal,
    static const void *const all_labels[256] = {WASM_OPCODES(LABEL) WASM_ILLEGAL_OPCODES(ILLEGAL_LABELS)};
#undef LABEL
#undef ILLEGAL_LABELS
    const void *const *labels = all_labels;
#ifdef __thumb__
    /* Keeps its address in a register: it would be read anew for each instruction. */
    __asm__("" : "+r"(labels));
#endif

    RELOAD_MEMORY();
    goto enter;

#ifdef __thumb__
next:
    /* One instruction, which the compiler takes two for. */
    __asm__("ldrb %0, [%1, #1]!" : "=r"(condition), "+r"(pc));
    GO(condition);
here:
    GO(*pc);
#endif

#include "interpret-control.inc"
#include "interpret-variables.inc"
#include "interpret-memory.inc"
#include "interpret-numbers.inc"

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
