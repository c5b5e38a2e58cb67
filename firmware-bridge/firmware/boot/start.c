// The boot part of a Cortex-M: it lies at address 0 with what is burnt in, is flashed once, and is never written to again. It picks a slot and starts the firmware in it.
#include "start.h"

#define SCB_VTOR (*(volatile uint32_t *)0xe000ed08)
#define SCB_AIRCR (*(volatile uint32_t *)0xe000ed0c)

extern uint32_t boot_stack_end[];

/** Nothing is in RAM here but the stack: there is nothing to lay out. */
__attribute__((noreturn, used)) void boot_reset_handler(void) {
  boot_prepare();
  uint8_t slot = boot_choose(&boot_records);
  // A trial that hangs at its very beginning must end too.
  if (slot != boot_read(&boot_records).confirmed) board_watch(true);
  const uint32_t *vectors = (const uint32_t *)(uintptr_t)boot_slots[slot & 1];
  SCB_VTOR = (uint32_t)(uintptr_t)vectors;
  __asm volatile("msr msp, %0\n bx %1" : : "r"(vectors[0]), "r"(vectors[1]));
  __builtin_unreachable();
}

__attribute__((noreturn, used)) static void fault_handler(void) {
  SCB_AIRCR = 0x05fa0004;
  for (;;) continue;
}

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[16] = {(handler)(uintptr_t)boot_stack_end, boot_reset_handler, [2 ... 6] = fault_handler};
