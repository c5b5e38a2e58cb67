// Stellaris LM3S6965 evaluation board: Cortex-M3 at 50 MHz, 256 KB of flash, 64 KB of RAM; UART0 is the wire. Without entropy: its key is burnt in.
//
// QEMU (-M lm3s6965evb) doesn't model writing its flash, so what the firmware writes goes to a reserved piece of RAM here. On the board itself it would be the upper part of
// its flash, with 1 KB pages, programmed by words through its flash controller.
#include "../wasm/host.h"
#include "cortex_m.h"
#include "slots_in_ram.h"

enum { page = 1024, pages = 35, arena_bytes = 12 * 1024 };

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

/* What the evaluation board can measure in QEMU: nothing. A slow triangle stands for a temperature, so that a demonstration sees something move. */
static int read_temperature(double *value) {
  uint32_t at = board_millis() / 1000 % 120;
  *value = 15.0 + (at < 60 ? at : 120 - at) / 10.0;
  return host_sensor_ok;
}
static int set_led(double value) { return value < 0 || value > 1 ? host_actuator_out_of_range : host_actuator_ok; }

static const board_thing sensors[] = {{.name = "outdoor", .read = read_temperature}, {.name = "soil", .read = read_temperature}};
static const board_thing actuators[] = {{.name = "led", .set = set_led}};

const board_facts board = {.name = "lm3s6965evb",
                           .flash_bytes = 256 * 1024,
                           .ram_bytes = 64 * 1024,
                           .flash = {(const uint8_t *)flash, sizeof flash, page, 8, 2, 3},
                           .arena = (uint8_t *)arena,
                           .arena_bytes = arena_bytes,
                           .sensors = sensors,
                           .sensor_count = 2,
                           .actuators = actuators,
                           .actuator_count = 1};

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

bool board_entropy(uint8_t *bytes, uint32_t count) {
  (void)bytes;
  (void)count;
  return false;
}
