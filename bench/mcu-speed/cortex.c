/*
 * Runs one function of a module on a Cortex-M3 without anything else, and tells over the UART how many ticks of the system timer it took. QEMU's
 * -icount lets each instruction take the same time; a loop of known length tells how many instructions a tick is.
 */

#include "module.h"
#include "wasm/wasm.h"

#include <string.h>

#define UART (*(volatile uint32_t *)0x4000c000)
#define TIMER_CONTROL (*(volatile uint32_t *)0xe000e010)
#define TIMER_RELOAD (*(volatile uint32_t *)0xe000e014)
#define TIMER_NOW (*(volatile uint32_t *)0xe000e018)
#define TIMER_BITS 0xffffffu

static uint64_t table[512], arena[512], memory[512];
extern uint32_t stack_top;

static void print(const char *name, uint32_t number) {
    char digits[12];
    unsigned count = 0;
    while (*name != 0) UART = (uint8_t)*name++;
    UART = ' ';
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0) UART = (uint8_t)digits[--count];
    UART = '\n';
}

static bool write_table(void *context, uint32_t at, const void *bytes, uint32_t length) {
    memcpy((uint8_t *)context + at, bytes, length);
    return true;
}

static uint32_t ticks_since(uint32_t from) { return (from - TIMER_NOW) & TIMER_BITS; }

/* Two instructions a round. */
static void __attribute__((noinline)) count_down(uint32_t rounds) {
    __asm volatile("1: subs %0, #1\n bne 1b" : "+r"(rounds) : : "cc");
}

static void end(void) {
    /* Semihosting: SYS_EXIT, ADP_Stopped_ApplicationExit. */
    register uint32_t what __asm("r0") = 0x18;
    register uint32_t why __asm("r1") = 0x20026;
    __asm volatile("bkpt 0xab" : : "r"(what), "r"(why));
    for (;;) continue;
}

void reset(void);
void reset(void) {
    static struct wasm_module module;
    static struct wasm_instance instance;
    uint32_t at, from;
    uint64_t values[1] = {ROUNDS};
    TIMER_RELOAD = TIMER_BITS;
    TIMER_NOW = 0;
    TIMER_CONTROL = 5;
    from = TIMER_NOW;
    count_down(500000);
    print("million", ticks_since(from));
    struct wasm_sink sink = {write_table, table, table, sizeof table};
    from = TIMER_NOW;
    enum wasm_error error = wasm_validate(&module, module_bytes, sizeof module_bytes, &sink, arena, sizeof arena, &at);
    print("validate", ticks_since(from));
    struct wasm_config config = {
        .arena = arena, .arena_length = sizeof arena, .memory = memory, .memory_length = sizeof memory, .maximum_depth = 1
    };
    if (error == wasm_ok) error = wasm_instantiate(&instance, &module, &config);
    instance.fuel = UINT32_MAX;
    from = TIMER_NOW;
    if (error == wasm_ok) error = wasm_call(&instance, 0, values);
    print("call", ticks_since(from));
    print("answer", (uint32_t)values[0]);
    print("error", error);
    end();
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {&stack_top, (const void *)reset, (const void *)end, (const void *)end};
