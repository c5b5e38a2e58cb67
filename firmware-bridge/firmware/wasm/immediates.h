#ifndef HYPHA_WASM_IMMEDIATES_H
#define HYPHA_WASM_IMMEDIATES_H

/*
 * What stands behind an opcode, in LEB128 and valid: the interpreter reads it each time, so one byte, which is the rule, is read where it is
 * needed, and what is longer by a call.
 */

#include <stdbool.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(condition, 1)

/* What stands behind the byte at `pc`: the value in the low half, in the high one how long both are. */
static uint64_t __attribute__((noinline)) long_u32(const uint8_t *pc) {
    uint32_t value = 0;
    unsigned length = 0;
    do {
        length++;
        value |= (pc[length] & 0x7fu) << (7 * (length - 1));
    } while ((pc[length] & 0x80) != 0);
    return (uint64_t)(length + 1) << 32 | value;
}

static const uint8_t *__attribute__((noinline)) skip_leb(const uint8_t *pc) {
    while ((*pc++ & 0x80) != 0) continue;
    return pc;
}

static const uint8_t *__attribute__((noinline)) long_signed(const uint8_t *pc, uint64_t *value) {
    uint64_t bits = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *pc++;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    if (shift < 64 && (byte & 0x40) != 0) bits |= ~(uint64_t)0 << shift;
    *value = bits;
    return pc;
}

/* No memory is so large: an offset from here on is outside as this one is, and to this one a width can be added. */
#define OUTSIDE 0xfffffff0u

/* The offset, and how long the instruction is. */
static uint64_t __attribute__((noinline)) long_memory_argument(const uint8_t *pc) {
    const uint8_t *from = skip_leb(pc + 1) - 1;
    uint64_t offset = long_u32(from);
    if ((uint32_t)offset > OUTSIDE) offset -= (uint32_t)offset - OUTSIDE;
    return offset + ((uint64_t)(from - pc) << 32);
}

/* Reads what stands behind the byte at `pc`, and moves it behind that. */
#define U32(name)                                                                                                                         \
    uint32_t name = pc[1];                                                                                                                \
    if (LIKELY(name < 0x80)) {                                                                                                            \
        pc += 2;                                                                                                                          \
    } else {                                                                                                                              \
        uint64_t longer = long_u32(pc);                                                                                                   \
        name = (uint32_t)longer;                                                                                                          \
        pc += longer >> 32;                                                                                                               \
    }
#define ANOTHER_U32(name)                                                                                                                 \
    pc--;                                                                                                                                 \
    U32(name)
/* Leaves `pc` where NEXT(3) is right. The alignment says nothing that matters here. */
#define MEMORY_ARGUMENT(name)                                                                                                             \
    uint32_t name = pc[2];                                                                                                                \
    if (!LIKELY(((pc[1] | name) & 0x80) == 0)) {                                                                                          \
        uint64_t longer = long_memory_argument(pc);                                                                                       \
        name = (uint32_t)longer;                                                                                                          \
        pc += (longer >> 32) - 3;                                                                                                         \
    }
/* Passes over a number behind the byte at `pc`. */
#define SKIP() pc = LIKELY(pc[1] < 0x80) ? pc + 2 : skip_leb(pc + 1)

#endif
