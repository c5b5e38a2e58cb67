// What both Cortex-M boards have: vectors, a millisecond clock, a ring of bytes that came.
#ifndef HYPHA_CORTEX_M_H
#define HYPHA_CORTEX_M_H

#include "../board.h"

/** Called by the board's interrupt for each byte that came. */
void cortex_received(uint8_t byte);
/** Starts the clock: `hz` is the core's. */
void cortex_start_clock(uint32_t hz);
/** A stack that went over its end makes the board start anew. */
void cortex_check_stack(void);
/** Lets an interrupt of the chip come. */
void cortex_enable(uint32_t interrupt);
/** Each board's: the interrupt of its UART. */
void board_uart_interrupt(void);

#endif
