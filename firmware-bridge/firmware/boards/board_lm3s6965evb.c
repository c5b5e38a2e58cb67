// Stellaris LM3S6965 evaluation board: Cortex-M3 at 50 MHz, 256 KB of flash, 64 KB of RAM; UART0 is the wire. Without entropy: its key is burnt in.
//
// QEMU (-M lm3s6965evb) doesn't model writing its flash, so what the firmware writes goes to a reserved piece of RAM here. On the board itself it would be the upper part of
// its flash, with 1 KB pages, programmed by words through its flash controller.
#include "cortex_m.h"
#include "demo_things.h"
#include "slots_in_ram.h"

enum { page = 1024, pages = 47, arena_bytes = 4784 };

static uint64_t arena[arena_bytes / 8];
static uint32_t flash[pages * page / 4];

#define UART0_DATA (*(volatile uint32_t *)0x4000c000)
#define UART0_FLAGS (*(volatile uint32_t *)0x4000c018)
#define UART0_BAUD_WHOLE (*(volatile uint32_t *)0x4000c024)
#define UART0_BAUD_PART (*(volatile uint32_t *)0x4000c028)
#define UART0_LINE (*(volatile uint32_t *)0x4000c02c)
#define UART0_CONTROL (*(volatile uint32_t *)0x4000c030)
#define UART0_MASK (*(volatile uint32_t *)0x4000c038)
#define UART0_CLEAR (*(volatile uint32_t *)0x4000c044)
#define CLOCK_UARTS (*(volatile uint32_t *)0x400fe104)
enum { flag_in_empty = 0x10, flag_out_full = 0x20, interrupts_in = 0x50, uart0_interrupt = 5, core_hz = 12000000 };

const board_facts board = {.name = "lm3s6965evb",
                           .flash_bytes = 256 * 1024,
                           .ram_bytes = 64 * 1024,
                           .flash = {(const uint8_t *)flash, sizeof flash, page, 8, 2, 3},
                           .arena = (uint8_t *)arena,
                           .arena_bytes = arena_bytes,
                           DEMO_THINGS};

RAM_FLASH(flash, page)

/* No firmware ever comes on trial here: QEMU doesn't model where it would be written to. */
uint8_t board_slot(void) { return 0; }
void board_watch(bool on) { (void)on; }
void board_alive(void) { cortex_check_stack(); }

void board_uart_interrupt(void) {
  UART0_CLEAR = interrupts_in;
  while ((UART0_FLAGS & flag_in_empty) == 0) cortex_received((uint8_t)UART0_DATA);
}

void board_start(void) {
  memset(flash, 0xff, sizeof flash);
  CLOCK_UARTS |= 1;
  UART0_CONTROL = 0;
  // 115,200 baud: 12 MHz / 16 / 115,200 = 6.51.
  UART0_BAUD_WHOLE = 6;
  UART0_BAUD_PART = 33;
  // 8 data bits, with the queues.
  UART0_LINE = 0x70;
  UART0_CONTROL = 0x301;
  UART0_MASK = interrupts_in;
  cortex_enable(uart0_interrupt);
  cortex_start_clock(core_hz);
}

uint32_t board_send(const uint8_t *bytes, uint32_t count) {
  uint32_t sent = 0;
  while (sent < count && (UART0_FLAGS & flag_out_full) == 0) UART0_DATA = bytes[sent++];
  return sent;
}
