#include "cortex_m.h"

/* Of every Cortex-M (ARMv7-M, B3): the clock that ticks, interrupts, and where a reset is asked for. */
#define SYST_CSR (*(volatile uint32_t *)0xe000e010)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018)
#define NVIC_ISER ((volatile uint32_t *)0xe000e100)
#define SCB_AIRCR (*(volatile uint32_t *)0xe000ed0c)

extern uint32_t image_stack[], image_stack_end[], image_data_from[], image_data[], image_data_end[], image_bss[], image_bss_end[];
int main(void);

enum { ring_bytes = BOARD_LINE_BYTES, stack_paint = 0x5ac3e1f0 };
static volatile uint8_t ring[ring_bytes];
static volatile uint32_t ring_in, ring_out;
static volatile uint32_t millis;
static uint32_t ticks_per_ms;

void reset_handler(void) {
  for (uint32_t *from = image_data_from, *to = image_data; to < image_data_end;) *to++ = *from++;
  for (uint32_t *to = image_bss; to < image_bss_end;) *to++ = 0;
  // All that lies below: how much of it was ever used can be seen from outside.
  uint32_t *top;
  __asm volatile("mov %0, sp" : "=r"(top));
  for (uint32_t *at = image_stack; at < top; at++) *at = stack_paint;
  main();
  board_reset();
}

void cortex_check_stack(void) {
  if (image_stack[0] != stack_paint) board_reset();
}

void tick_handler(void) { millis++; }

/** Anything that goes wrong in the core: start anew, as after a power cut. */
void fault_handler(void) { board_reset(); }

/** The first 16 are the core's; the board's UART is the same interrupt for all others, since no other is let in. */
typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[16 + 32] = {
    [0] = (handler)(uintptr_t)image_stack_end, reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, [15] = tick_handler,
    [16 ... 47] = board_uart_interrupt};

void cortex_start_clock(uint32_t hz) {
  ticks_per_ms = hz / 1000;
  SYST_RVR = ticks_per_ms - 1;
  SYST_CVR = 0;
  SYST_CSR = 7;
}

void cortex_enable(uint32_t interrupt) { NVIC_ISER[interrupt / 32] = 1u << (interrupt % 32); }

void cortex_received(uint8_t byte) {
  uint32_t next = (ring_in + 1) % ring_bytes;
  // A full ring loses bytes, as a line may; the frames that they were of come again.
  if (next == ring_out) return;
  ring[ring_in] = byte;
  ring_in = next;
}

uint32_t board_receive(uint8_t *bytes, uint32_t room) {
  uint32_t count = 0;
  while (count < room && ring_out != ring_in) {
    bytes[count++] = ring[ring_out];
    ring_out = (ring_out + 1) % ring_bytes;
  }
  return count;
}

uint32_t board_millis(void) { return millis; }

uint64_t board_nanos(void) {
  for (;;) {
    uint32_t before = millis, left = SYST_CVR;
    if (before == millis) return (uint64_t)before * 1000000u + (uint64_t)(ticks_per_ms - left) * 1000000u / ticks_per_ms;
  }
}

void board_idle(uint32_t most_ms) {
  (void)most_ms;
  // The next tick or byte wakes it: with interrupts off, one that came in between still ends the wait.
  __asm volatile("cpsid i");
  if (ring_in == ring_out) __asm volatile("wfi");
  __asm volatile("cpsie i");
}

_Noreturn void board_reset(void) {
  SCB_AIRCR = 0x05fa0004;
  for (;;) continue;
}
