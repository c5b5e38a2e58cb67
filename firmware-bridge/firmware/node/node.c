#include "message.h"

#include "../update/firmware.h"
#include "activation.h"
#include "random.h"

enum { state_every_ms = 5000, firmware_trial_ms = 60000 };

static uint32_t wire_random(void *context) {
  (void)context;
  uint32_t number;
  random_bytes((uint8_t *)&number, sizeof number);
  return number;
}

static __attribute__((noinline)) code open_flash(node *n) {
  TRY(records_open(&n->held.store));
  TRY(identity_open(&n->held));
  slots before;
  span written = records_get(&n->held.store, record_slots, (span){NULL, 0});
  bool was = written.length == sizeof before;
  if (was) memcpy(&before, written.at, sizeof before);
  TRY(slots_open(&n->held.slots, &n->held.store));
  // What was on trial when the power went isn't tried again by itself.
  if (was && before.active != n->held.slots.active) report_event(&n->cell, code_board_reverted, "what ran before runs again");
  bool reverted = false;
  TRY(firmware_open(&n->held, &reverted));
  if (reverted) report_event(&n->cell, code_board_reverted, "the firmware before runs again");
  return code_ok;
}

void node_begin(node *n) {
  memset(n, 0, sizeof *n);
  ring_begin(&n->ring);
  cell_begin(&n->cell, &n->held, &n->ring);
  code opened = open_flash(n);
  random_bytes(n->incarnation, sizeof n->incarnation);
  wire_config config = {.max_payload = node_in_payload,
                        .in_places = node_in_places,
                        .in_rooms = BOARD_IN_ROOMS,
                        .window = node_in_places - wire_channels + 1,
                        .out_payload = node_out_payload,
                        .out_places = node_out_places,
                        .out_bytes = node_out_bytes,
                        .arena = n->wire_arena,
                        .arena_words = sizeof n->wire_arena / sizeof *n->wire_arena,
                        .random = wire_random};
  wire_init(&n->wire, &config, board_millis());
  if (opened != code_ok) report_event(&n->cell, opened, "the board's flash can't be used");
  else if (slots_active(&n->held.slots) != NULL) cell_start(&n->cell);
}

/** A line that opened anew has forgotten what was on it. */
static void see_openings(node *n) {
  if (n->openings == n->wire.counters.openings && wire_is_open(&n->wire)) return;
  if (n->openings != n->wire.counters.openings) {
    n->identify_owed = n->state_owed = true;
    n->firmware_owed = n->held.firmware != no_slot;
    n->held_owed = n->session_owed = false;
    n->refusal_count = 0;
    n->state_at = board_millis() - 1000;
    ring_rewind(&n->ring);
  }
  n->openings = n->wire.counters.openings;
  n->held.transfer.open = false;
}

/** An app that the directive doesn't list any more is removed from the board. [P 6.6] */
static void see_removal(node *n) {
  const slot_facts *active = slots_active(&n->held.slots);
  trust by = held_trust(&n->held);
  if (active == NULL || by.directive.length == 0) return;
  for EACH(section, cbor_get(by.directive.at, directive_sections))
    if (span_equal(content_of(section, section_app), slot_app(active))) return;
  cell_remove(&n->cell);
}

/** What has come as a whole is judged, with the module out of the way if it has to be. */
static __attribute__((noinline)) void see_transfer(node *n) {
  if (!transfer_is_whole(&n->held)) return;
  uint32_t number = n->held.transfer.number, size = n->held.transfer.offer.wire_size;
  bool in_the_way = transfer_scratch(&n->held) > cell_free_bytes(&n->cell);
  if (in_the_way) cell_stop(&n->cell);
  code found = transfer_judge(&n->held, cell_free_arena(&n->cell), cell_free_bytes(&n->cell));
  if (in_the_way) cell_start(&n->cell);
  if (found == code_ok) see_removal(n);
  n->state_owed = true;
  if (n->held.transfer.firmware) n->firmware_owed = true;
  if (found != code_ok) return node_refuse(n, of_transfer, &number, found);
  n->held_owed = n->held_complete = true;
  n->held_number = number;
  n->held_at = size;
}

uint32_t node_step(node *n) {
  uint8_t bytes[32];
  board_alive();
  // Nobody has confirmed it: perhaps it can't be spoken with. Each start counts.
  if (firmware_can_change() && n->held.firmware_trial && board_millis() > firmware_trial_ms) board_reset();
  for (uint32_t count; (count = board_receive(bytes, sizeof bytes)) > 0;) wire_feed(&n->wire, bytes, count, board_millis());
  see_openings(n);
  if (wire_is_open(&n->wire)) {
    node_say(n);
    node_hear(n);
    see_transfer(n);
    node_say(n);
  }
  if (firmware_can_change()) node_restart(n);
  cell_run(&n->cell);
  // Also when nothing changed: how many turns there were, and what waits.
  if (n->cell.changed || board_millis() - n->state_at >= state_every_ms) n->state_owed = true;
  n->cell.changed = false;
  for (;;) {
    if (n->line_at == n->line_end) {
      n->line_at = 0;
      n->line_end = (uint32_t)wire_poll(&n->wire, n->line, sizeof n->line, board_millis());
      if (n->line_end == 0) break;
    }
    uint32_t sent = board_send(n->line + n->line_at, n->line_end - n->line_at);
    n->line_at += sent;
    if (sent == 0) return 1;
  }
  uint32_t line = wire_wake(&n->wire, board_millis()), turn = cell_wait(&n->cell);
  return line < turn ? line : turn;
}
