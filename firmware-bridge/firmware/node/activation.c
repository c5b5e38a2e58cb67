#include "activation.h"

#include "../update/firmware.h"
#include "message.h"

enum { step_activate, step_confirm, step_revert, most_drain_ms = 2000 };

static bool is_of(const slot_facts *slot, cbor fields) {
  return slot != NULL && span_equal(slot_app(slot), content_of(fields, 2)) && slot->epoch == number_of(fields, 3) && memcmp(slot->release, content_of(fields, 4).at, 32) == 0;
}

static code activate(node *n, cbor fields) {
  slots *all = &n->held.slots;
  slot_facts *active = slots_active(all), *spare = &all->slot[slots_spare(all)];
  if (is_of(active, fields)) return code_ok;
  // It was accepted from a directive; the one that is held now must still ask for it.
  trust by = held_trust(&n->held);
  cbor section = trust_section_of(&by, content_of(fields, 2), number_of(fields, 3));
  if (!cbor_there(section) || !span_equal(content_of(section, section_release), content_of(fields, 4))) return code_commit_mismatch;
  if (!is_of(spare, fields) || spare->status != slot_stored) return code_rules_order;
  uint32_t begun = board_millis();
  cell_stop(&n->cell);
  // State goes with the app, from slot to slot.
  code found = active != NULL && span_equal(slot_app(active), slot_app(spare)) && span_equal(slot_module(active), slot_module(spare)) ? cell_hand_over(&n->cell) : code_ok;
  if (found == code_ok) found = slots_activate(all, &n->held.store);
  if (found == code_ok) {
    found = cell_start(&n->cell);
    if (found != code_ok) slots_revert(all, &n->held.store);
  }
  if (found != code_ok) cell_start(&n->cell);
  n->cell.restarts = 0;
  n->cell.turns = 0;
  n->cell.error = found;
  n->cell.paused_ms = board_millis() - begun;
  n->cell.paused_known = true;
  return found;
}

static code revert(node *n, cbor fields) {
  slot_facts *active = slots_active(&n->held.slots);
  // It is done already where what is named doesn't run.
  if (!is_of(active, fields)) return code_ok;
  if (active->status != slot_trial) return code_rules_order;
  return cell_revert(&n->cell);
}

static bool is_firmware_in(const node *n, uint8_t which, cbor fields) {
  firmware_facts facts = firmware_read(&n->held);
  const firmware_slot *slot = &facts.slot[which];
  return slot->epoch == number_of(fields, 3) && content_is(fields, 4, span_of(slot->release, 32));
}

/** Of the firmware itself: the board starts anew with what the boot part picks then, and says so as it identifies itself. */
static code activate_firmware(node *n, cbor fields) {
  held *in = &n->held;
  if (in->firmware == no_slot) return code_update_unsupported;
  bool runs = is_firmware_in(n, in->firmware, fields);
  n->firmware_owed = true;
  switch (number_of(fields, 1)) {
    case step_confirm:
      return !runs ? code_rules_order : in->firmware_trial ? firmware_confirm(in) : code_ok;
    case step_revert:
      if (!runs) return code_ok;
      if (!in->firmware_trial) return code_rules_order;
      TRY(firmware_revert(in));
      break;
    default:
      if (runs) return code_ok;
      TRY(firmware_may_start(in, content_of(fields, 4)));
      cell_stop(&n->cell);
      // What it has to report is in RAM: until the bridge has it, or for so long.
      n->restart_at = board_millis() + most_drain_ms;
      return code_ok;
  }
  board_reset();
}

void node_restart(node *n) {
  bool told = n->ring.first == n->ring.counted || !wire_is_open(&n->wire);
  if (n->restart_at == 0 || (!told && board_millis() < n->restart_at)) return;
  code found = firmware_activate(&n->held);
  if (found == code_ok) board_reset();
  n->restart_at = 0;
  node_refuse(n, of_activation, NULL, found);
  cell_start(&n->cell);
}

code node_activate(node *n, cbor fields) {
  slot_facts *active = slots_active(&n->held.slots);
  code found;
  if (firmware_is(content_of(fields, 2))) found = firmware_can_change() ? activate_firmware(n, fields) : code_update_unsupported;
  else switch (number_of(fields, 1)) {
    case step_activate:
      found = activate(n, fields);
      break;
    case step_confirm:
      found = !is_of(active, fields) ? code_rules_order : active->status == slot_confirmed ? code_ok : slots_confirm(&n->held.slots, &n->held.store);
      break;
    default:
      found = revert(n, fields);
  }
  n->state_owed = true;
  n->state_at = board_millis() - 1000;
  return found;
}
