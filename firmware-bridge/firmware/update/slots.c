#include "slots.h"

#include "../trust/cose.h"

static const span no_name = {NULL, 0};

code slots_write(const slots *in, records *store) {
  span all = span_of(in, sizeof *in);
  return records_put(store, record_slots, no_name, &all, 1);
}

slot_facts *slots_active(slots *in) { return in->active < flash_slots ? &in->slot[in->active] : NULL; }

code slots_open(slots *in, records *store) {
  span held = records_get(store, record_slots, no_name);
  if (held.length != sizeof *in) {
    memset(in, 0, sizeof *in);
    in->active = no_slot;
    return code_ok;
  }
  memcpy(in, held.at, sizeof *in);
  slot_facts *active = slots_active(in);
  return active != NULL && active->status == slot_trial ? slots_revert(in, store) : code_ok;
}

span slot_envelope(const slots *in, uint8_t which) { return span_of(flash_at(flash_slot(which).offset), in->slot[which].envelope_bytes); }

span slot_content(const slots *in, uint8_t which) {
  const slot_facts *slot = &in->slot[which];
  return span_of(flash_at(flash_slot(which).offset + slot->at), slot->bytes);
}

span slot_release(const slots *in, uint8_t which) {
  envelope opened = {0};
  // It was verified when it came.
  span bytes = slot_envelope(in, which);
  return cose_open(bytes, kind_release, bytes.length, &opened) == code_ok ? opened.payload : (span){NULL, 0};
}

code slots_activate(slots *in, records *store) {
  slots next = *in;
  next.active = slots_spare(in);
  next.slot[next.active].status = slot_trial;
  TRY(slots_write(&next, store));
  *in = next;
  return code_ok;
}

code slots_confirm(slots *in, records *store) {
  slots next = *in;
  slots_active(&next)->status = slot_confirmed;
  TRY(slots_write(&next, store));
  *in = next;
  return code_ok;
}

code slots_revert(slots *in, records *store) {
  slots next = *in;
  uint8_t other = slots_spare(in);
  next.slot[in->active].status = slot_failed;
  next.active = next.slot[other].status == slot_confirmed ? other : no_slot;
  TRY(slots_write(&next, store));
  *in = next;
  return code_ok;
}

code slots_clear_spare(slots *in, records *store) {
  uint8_t spare = slots_spare(in);
  if (in->slot[spare].status == slot_empty) return code_ok;
  slots next = *in;
  memset(&next.slot[spare], 0, sizeof next.slot[spare]);
  TRY(slots_write(&next, store));
  *in = next;
  return code_ok;
}
