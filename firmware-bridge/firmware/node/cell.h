// The one instance that a board runs: its turns, its clock, what it is given and what it leaves behind.
#ifndef HYPHA_CELL_H
#define HYPHA_CELL_H

#include "../update/transfer.h"
#include "../wasm/abi.h"
#include "ring.h"

/** As docs/serial.md has them. */
enum { cell_starting, cell_running, cell_backoff, cell_failed, cell_stopped };

/** Of the arena, for a module that imports kv: what a turn writes there. gateway/place/fit.ts counts it. */
enum { pending_bytes = 512 };

typedef struct {
  held *held;
  ring *ring;
  uint8_t status;
  /** Something happened to it that the bridge wasn't told of yet. */
  bool changed;
  uint32_t restarts;
  uint64_t turns;
  /** Why it failed last, since it became active. */
  code error;
  uint32_t next_tick_at, restart_at, saved_at;
  /** How long the last change of modules kept it from running. */
  uint32_t paused_ms;
  bool paused_known;
  /** Of its release; 0: it has no timer. */
  uint32_t period_ms;
  /** What a turn may use up. */
  uint64_t fuel;
  /** Since 1970 at the start of the board, once the agent has told the time. */
  uint64_t offset_ms;
  /** Bytes of the arena that it has. */
  uint32_t used;
  /** Samples and messages of this second. */
  uint32_t second, emitted, published;
  struct wasm_module module;
  struct wasm_instance instance;
  struct wasm_host_link link;
  /** What the turn wrote to its kv: written down when it has ended well. */
  uint8_t *pending;
  uint32_t pending_used;
} cell;

void cell_begin(cell *c, held *in, ring *r);
/** Starts what the active slot holds, with the state that was saved for it. What doesn't start has failed. */
code cell_start(cell *c);
/** Ends it, with its state saved under the slot's number. */
void cell_stop(cell *c);
/** The state that was saved goes to the spare slot too. */
code cell_hand_over(cell *c);
/** What is on trial ends and has failed; what ran before goes on with its own state. */
code cell_revert(cell *c);
/** The directive doesn't list its app any more: it goes, with its state and its kv. */
code cell_remove(cell *c);
/** Its turn, if one is due. */
void cell_run(cell *c);
/** When the next one is due: milliseconds from now, UINT32_MAX for never. */
uint32_t cell_wait(const cell *c);
/** A message for its inbox: true where its turn ended well. */
bool cell_deliver(cell *c, span topic, span payload);
/** What of the arena it leaves. */
static inline uint8_t *cell_free_arena(const cell *c) { return board.arena + c->used; }
static inline uint32_t cell_free_bytes(const cell *c) { return board.arena_bytes - c->used; }

/** Writes an event about the node or its instance into the ring. */
void report_event(cell *c, code why, const char *text);

#endif
