#include "cell.h"

#include "exports.h"
#include "host.h"

enum {
  stack_bytes = 4096,
  /** What a millisecond of a turn's deadline is worth: branches and calls of an interpreter on a Cortex-M3 at 50 MHz. */
  fuel_per_ms = 500,
  checkpoint_ms = 60000,
  first_backoff_ms = 1000,
  most_backoff_ms = 60000,
  most_state = 2048,
};

void cell_begin(cell *c, held *in, ring *r) {
  memset(c, 0, sizeof *c);
  c->held = in;
  c->ring = r;
  c->link = (struct wasm_host_link){&node_host, c};
  c->status = cell_stopped;
}

static slot_facts *active(const cell *c) { return slots_active(&c->held->slots); }

/** State is saved under the number of the slot that it is for. */
static span state_name(const uint8_t *slot) { return span_of(slot, 1); }

static code code_of(enum wasm_error error) {
  if (error == wasm_error_trap_fuel) return code_turn_deadline;
  if (error >= wasm_error_trap_unreachable) return code_turn_trapped;
  if (error == wasm_error_unknown_import || error == wasm_error_import_type) return code_import_not_linked;
  if (error == wasm_error_arena || error == wasm_error_memory) return code_wasm_memory;
  return code_wasm_malformed;
}

static bool imports_kv(const struct wasm_module *module) {
  static const char kv[] = "hypha:host/kv@";
  struct wasm_import import;
  for (uint32_t i = 0; i < module->imports; i++) {
    wasm_import_at(module, i, &import);
    if (import.module.length >= sizeof kv - 1 && memcmp(import.module.bytes, kv, sizeof kv - 1) == 0) return true;
  }
  return false;
}

/** Takes what of the arena the module needs: its memory, room for what a turn writes to its kv, then the interpreter's own, and stack. */
static enum wasm_error instantiate(cell *c) {
  const slot_facts *slot = active(c);
  const uint8_t *base = flash_at(flash_slot(c->held->slots.active).offset);
  enum wasm_error error = wasm_open(&c->module, base + slot->at, slot->bytes, base + slot->table_at, slot->table_bytes);
  if (error != wasm_ok) return error;
  uint32_t memory = round_up(wasm_memory_bytes(&c->module), 8), own = round_up(wasm_arena_bytes(&c->module), 8);
  uint32_t pending = imports_kv(&c->module) ? pending_bytes : 0;
  uint32_t least = memory + pending;
  if (memory > board.arena_bytes || least > board.arena_bytes || own > board.arena_bytes - least) return wasm_error_memory;
  uint32_t left = board.arena_bytes - least - own, stack = left < stack_bytes ? left & ~7u : stack_bytes;
  c->pending = board.arena + memory;
  struct wasm_config config = {.arena = c->pending + pending,
                               .arena_length = own + stack,
                               .memory = board.arena,
                               .memory_length = memory,
                               .maximum_depth = 4,
                               .resolve = wasm_resolve_host,
                               .resolve_context = &c->link,
                               .fuel = c->fuel,
                               .user = c};
  memset(board.arena, 0, memory);
  error = wasm_instantiate(&c->instance, &c->module, &config);
  if (error == wasm_ok) c->used = least + own + stack;
  return error;
}

static enum wasm_error restore(cell *c) {
  span saved = records_get(&c->held->store, record_state, state_name(&c->held->slots.active));
  if (saved.length == 0 || !exports_has(&c->module, STATE_RESTORE)) return wasm_ok;
  // A byte in front: state may be empty, a record's value can't.
  bool taken = false;
  c->instance.fuel = c->fuel;
  char from[11];
  uint32_t number = active(c)->number, digits = 0;
  char reversed[11];
  do reversed[digits++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  for (uint32_t i = 0; i < digits; i++) from[i] = reversed[digits - 1 - i];
  enum wasm_error error = exports_restore(&c->instance, span_of(from, digits), span_of(saved.at + 1, saved.length - 1), &taken);
  return error == wasm_ok && !taken ? wasm_error_trap_host : error;
}

static void read_spec(cell *c) {
  span release = slot_release(&c->held->slots, c->held->slots.active);
  cbor spec = cbor_get(release_module(release.at, slot_module(active(c))), module_spec), period = cbor_get(spec, spec_timer);
  c->period_ms = cbor_there(period) ? cbor_argument(period) : 0;
  c->fuel = (uint64_t)number_of(cbor_get(spec, spec_limits), limits_turn) * fuel_per_ms;
}

code cell_start(cell *c) {
  if (active(c) == NULL) {
    c->status = cell_stopped;
    return code_ok;
  }
  c->status = cell_starting;
  read_spec(c);
  enum wasm_error error = instantiate(c);
  if (error == wasm_ok) error = restore(c);
  c->instance.fuel = c->fuel;
  if (error == wasm_ok) error = exports_call(&c->instance, LIFECYCLE_START, NULL);
  if (error != wasm_ok) {
    ring_undo(c->ring);
    host_undo(c);
    c->used = 0;
    c->status = cell_failed;
    c->changed = true;
    c->error = code_of(error);
    report_event(c, c->error, wasm_failure_words(error));
    return c->error;
  }
  host_keep(c);
  ring_keep(c->ring);
  c->status = cell_running;
  c->changed = true;
  c->saved_at = board_millis();
  c->next_tick_at = board_millis() + c->period_ms;
  return code_ok;
}

/** Writes the state down, unless it is what was written last. */
static code save(cell *c) {
  c->saved_at = board_millis();
  if (!exports_has(&c->module, STATE_SAVE)) return code_ok;
  span state;
  uint32_t result;
  c->instance.fuel = c->fuel;
  enum wasm_error error = exports_save(&c->instance, &state, &result);
  if (error != wasm_ok) return code_of(error);
  span name = state_name(&c->held->slots.active), before = records_get(&c->held->store, record_state, name);
  static const uint8_t mark = 1;
  code written = code_ok;
  if (state.length > most_state) written = code_board_full;
  else if (before.length == 0 || !span_equal(span_of(before.at + 1, before.length - 1), state)) {
    span pieces[2] = {span_of(&mark, 1), state};
    written = records_put(&c->held->store, record_state, name, pieces, 2);
  }
  error = exports_saved(&c->instance, result);
  return error == wasm_ok ? written : code_of(error);
}

/** What it emitted while it was saved or stopped counts; a trap there changes nothing any more. */
void cell_stop(cell *c) {
  if (c->status == cell_running) {
    c->instance.fuel = c->fuel;
    enum wasm_error error = exports_call(&c->instance, LIFECYCLE_STOP, NULL);
    code saved = error == wasm_ok ? save(c) : code_of(error);
    if (saved != code_ok) {
      ring_undo(c->ring);
      host_undo(c);
      report_event(c, saved, "its state was not saved");
    } else {
      host_keep(c);
      ring_keep(c->ring);
    }
  }
  c->used = 0;
  c->status = cell_stopped;
}

code cell_hand_over(cell *c) {
  uint8_t spare = slots_spare(&c->held->slots);
  span state = records_get(&c->held->store, record_state, state_name(&c->held->slots.active));
  if (state.length == 0) return records_delete(&c->held->store, record_state, state_name(&spare));
  return records_put(&c->held->store, record_state, state_name(&spare), &state, 1);
}

code cell_revert(cell *c) {
  c->used = 0;
  c->status = cell_stopped;
  report_event(c, code_board_reverted, "what ran before runs again");
  TRY(slots_revert(&c->held->slots, &c->held->store));
  return cell_start(c);
}

code cell_remove(cell *c) {
  c->used = 0;
  c->status = cell_stopped;
  // First what refers to it: a cut in between leaves state that nothing runs with, and that the next removal takes.
  memset(&c->held->slots, 0, sizeof c->held->slots);
  c->held->slots.active = no_slot;
  TRY(slots_write(&c->held->slots, &c->held->store));
  TRY(records_delete_all(&c->held->store, record_state));
  TRY(records_delete_all(&c->held->store, record_kv_before));
  return records_delete_all(&c->held->store, record_kv);
}

/** After a turn: what it did counts, or it trapped. */
static bool end_turn(cell *c, enum wasm_error error) {
  c->turns++;
  code kept = error == wasm_ok ? host_keep(c) : code_of(error);
  if (kept == code_ok) {
    ring_keep(c->ring);
    return true;
  }
  ring_undo(c->ring);
  host_undo(c);
  c->error = kept;
  report_event(c, kept, error == wasm_ok ? "what the turn wrote can't be kept" : wasm_failure_words(error));
  if (error == wasm_ok) return false;
  if (active(c)->status == slot_trial) {
    cell_revert(c);
    return false;
  }
  uint32_t wait = first_backoff_ms << (c->restarts < 6 ? c->restarts : 6);
  c->restarts++;
  c->used = 0;
  c->status = cell_backoff;
  c->changed = true;
  c->restart_at = board_millis() + (wait < most_backoff_ms ? wait : most_backoff_ms);
  return false;
}

static bool is_due(uint32_t at) { return (int32_t)(board_millis() - at) >= 0; }

__attribute__((noinline)) void cell_run(cell *c) {
  if (c->status == cell_backoff && is_due(c->restart_at)) cell_start(c);
  if (c->status != cell_running) return;
  if (c->period_ms > 0 && is_due(c->next_tick_at)) {
    // Ticks that were missed aren't made up for; their rhythm stays.
    do c->next_tick_at += c->period_ms;
    while (is_due(c->next_tick_at));
    uint64_t now = c->offset_ms + board_millis();
    c->instance.fuel = c->fuel;
    if (!end_turn(c, exports_call(&c->instance, TIMER_TICK, &now))) return;
  }
  if (board_millis() - c->saved_at >= checkpoint_ms) {
    code saved = save(c);
    if (saved != code_ok) report_event(c, saved, "its state was not saved");
    ring_keep(c->ring);
  }
}

uint32_t cell_wait(const cell *c) {
  uint32_t at = c->status == cell_backoff ? c->restart_at : c->next_tick_at;
  if (c->status != cell_backoff && (c->status != cell_running || c->period_ms == 0)) return UINT32_MAX;
  return is_due(at) ? 0 : at - board_millis();
}

bool cell_deliver(cell *c, span topic, span payload) {
  if (c->status != cell_running || !exports_has(&c->module, INBOX_DELIVER)) return false;
  c->instance.fuel = c->fuel;
  return end_turn(c, exports_deliver(&c->instance, topic, payload));
}
