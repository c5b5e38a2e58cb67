// What a board gives the firmware: everything that differs from one microcontroller to the next. A board is one file in boards/, with its start-up code and linker script;
// docs/microcontrollers.md tells how to add one.
#ifndef HYPHA_BOARD_H
#define HYPHA_BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* What a build for a board may have otherwise: the longest payload that it takes and for how many it has room, what it keeps to report while its line is down, and bytes that came and weren't looked at. */
#ifndef BOARD_IN_PAYLOAD
#define BOARD_IN_PAYLOAD 512
#endif
#ifndef BOARD_IN_ROOMS
#define BOARD_IN_ROOMS 5
#endif
#ifndef BOARD_RING_BYTES
#define BOARD_RING_BYTES 2048
#endif
#ifndef BOARD_LINE_BYTES
#define BOARD_LINE_BYTES 1024
#endif

/** Flash that the firmware may write, or what stands for it. Offsets are from its beginning; it can be read by pointer at any time. */
typedef struct {
  const uint8_t *at;
  uint32_t bytes;
  /** What is erased at a time, to all ones. A divisor of `bytes`. */
  uint32_t page;
  /** What is programmed at a time, once after each erasure: 1, 2, 4 or 8 bytes. */
  uint32_t unit;
  /** Pages of each of the two banks of the record store, and of the place for envelopes that come; two equal slots have the rest. */
  uint8_t bank_pages;
  uint8_t inbox_pages;
  /** Pages of each of the two firmwares, which lie at the end, with two pages of the boot part's record behind them. 0: the firmware can't be updated over the line. */
  uint16_t firmware_pages;
} board_flash;

/** A sensor or an actuator, by the name that modules know it by. */
typedef struct {
  const char *name;
  /** One of the words of host_sensor_answer. Of a sensor only. */
  int (*read)(double *value);
  /** One of the words of host_actuator_answer. Of an actuator only. */
  int (*set)(double value);
} board_thing;

typedef struct {
  /** As `hypha mcu build --board` has it. */
  const char *name;
  uint32_t flash_bytes;
  uint32_t ram_bytes;
  board_flash flash;
  /** What the module's memory, the interpreter, the decoder and the checks share. 8-aligned. */
  uint8_t *arena;
  uint32_t arena_bytes;
  /** Sorted by name. */
  const board_thing *sensors;
  uint8_t sensor_count;
  const board_thing *actuators;
  uint8_t actuator_count;
} board_facts;

extern const board_facts board;

/** Clocks, wire, pins: before anything else is called. */
void board_start(void);
/** Milliseconds since the start; goes over after 49 days. */
uint32_t board_millis(void);
/** Nanoseconds since the start, as fine as the board has them. */
uint64_t board_nanos(void);
/** Takes up to `room` bytes that came on the wire. */
uint32_t board_receive(uint8_t *bytes, uint32_t room);
/** Gives the wire bytes; answers how many it took. Doesn't wait. */
uint32_t board_send(const uint8_t *bytes, uint32_t count);
/** Erases the page that begins there. False: it failed. */
bool board_erase(uint32_t offset);
/** Programs whole units that were erased. False: it failed. */
bool board_program(uint32_t offset, const void *bytes, uint32_t count);
/** Random bytes that nobody can guess; false where the board has none, and a key must be burnt in. */
bool board_entropy(uint8_t *bytes, uint32_t count);
/** Waits for a byte or for the time, whichever comes first. */
void board_idle(uint32_t most_ms);
/** Tells the watchdog that the main loop goes on. */
void board_alive(void);
/** The slot of the firmware that runs. */
uint8_t board_slot(void);
/** Whether a watchdog is to start the board anew where the main loop stands still: while a firmware is on trial. */
void board_watch(bool on);
/** Starts anew, as after a power cut. */
_Noreturn void board_reset(void);

#endif
