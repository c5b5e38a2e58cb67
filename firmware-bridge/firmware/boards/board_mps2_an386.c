// Arm MPS2 with the AN386 image: Cortex-M4 at 25 MHz, 4 MB of code memory, 4 MB of RAM; UART0 is the wire. Without entropy: its key is burnt in.
//
// Its code memory can be written like RAM, in QEMU (-M mps2-an386) as on the board. The upper part of it is used with the rules of flash: pages, units that are programmed once.
// It outlives a reset, not a power cut. The firmware itself lies there too, in one of two slots.
#include "../boot/image.h"
#include "cortex_m.h"
#include "demo_things.h"
#include "mps2_an386.h"
#include "slots_in_ram.h"

enum { arena_bytes = 64 * 1024 };

static uint64_t arena[arena_bytes / 8];

#define UART0_DATA (*(volatile uint32_t *)0x40004000)
#define UART0_STATE (*(volatile uint32_t *)0x40004004)
#define UART0_CONTROL (*(volatile uint32_t *)0x40004008)
#define UART0_CLEAR (*(volatile uint32_t *)0x4000400c)
#define UART0_DIVISOR (*(volatile uint32_t *)0x40004010)
enum { state_out_full = 1, state_in_full = 2, control_all_in = 0xb, interrupt_in = 2, uart0_in_interrupt = 0 };

const board_facts board = {.name = "mps2_an386",
                           .flash_bytes = 4 * 1024 * 1024,
                           .ram_bytes = 4 * 1024 * 1024,
                           .flash = {(const uint8_t *)FLASH_AT, flash_pages * flash_page, flash_page, flash_unit, 2, 4, firmware_pages},
                           .arena = (uint8_t *)arena,
                           .arena_bytes = arena_bytes,
                           DEMO_THINGS};

RAM_FLASH(FLASH_AT, flash_page)

void board_watch(bool on) { mps2_watch(on); }

void board_uart_interrupt(void) {
  UART0_CLEAR = interrupt_in;
  while ((UART0_STATE & state_in_full) != 0) cortex_received((uint8_t)UART0_DATA);
}

void board_start(void) {
  UART0_DIVISOR = core_hz / 115200;
  UART0_CONTROL = control_all_in;
  cortex_enable(uart0_in_interrupt);
  cortex_start_clock(core_hz);
}

uint8_t board_slot(void) { return (uintptr_t)&image >= SLOT_B; }

/** The main loop goes on, and the stack hasn't gone over its end. */
void board_alive(void) {
  WATCHDOG_CLEAR = 1;
  cortex_check_stack();
}

uint32_t board_send(const uint8_t *bytes, uint32_t count) {
  uint32_t sent = 0;
  while (sent < count && (UART0_STATE & state_out_full) == 0) UART0_DATA = bytes[sent++];
  return sent;
}
