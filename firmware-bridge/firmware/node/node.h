// The firmware's main loop in steps: bytes from the line, messages, transfers, the module's turns, reports, bytes to the line.
#ifndef HYPHA_NODE_H
#define HYPHA_NODE_H

#include "../wire/wire.h"
#include "cell.h"

enum {
  node_in_payload = BOARD_IN_PAYLOAD,
  node_in_places = 5,
  /** The longest: what a board says of itself. */
  node_out_payload = 704,
  node_out_places = 6,
  node_out_bytes = 1024,
  node_refusals = 4,
  node_sources = 2,
};

/** What is to be told to the bridge as soon as there is room. */
typedef struct {
  uint8_t of;
  bool has_number;
  /** A code. */
  uint8_t why;
  uint32_t number;
} refusal;

typedef struct {
  held held;
  ring ring;
  cell cell;
  wire wire;
  uint32_t wire_arena[WIRE_ARENA_WORDS(node_in_payload, BOARD_IN_ROOMS, node_out_places, node_out_bytes)];
  uint32_t openings;
  bool identify_owed, state_owed, held_owed, held_complete, session_owed, firmware_owed;
  uint32_t held_number, held_at;
  uint32_t state_at;
  /** When the firmware is to start anew at the latest; 0: it isn't. */
  uint32_t restart_at;
  refusal refusals[node_refusals];
  uint8_t refusal_count;
  uint8_t incarnation[8];
  bool has_time, has_session;
  uint8_t session_key[32], session_peer[32];
  /** Kinds and messages that couldn't be read. */
  uint32_t unread;
  uint8_t line[32];
  uint32_t line_at, line_end;
} node;

/** Opens what is in flash and starts what ran last. Where flash fails nothing runs, and the line says why. */
void node_begin(node *n);
/** One round; answers for how many milliseconds nothing is to be done if nothing comes. */
uint32_t node_step(node *n);

#endif
