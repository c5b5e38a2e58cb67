#include "slots.h"

#include "../trust/cose.h"

static const span no_name = {NULL, 0};

/** As they were written last; false where they never were. */
static bool read_written(slots *in, const records *store) {
  span held = records_get(store, record_slots, no_name);
  bool there = held.length == sizeof *in;
  if (there) memcpy(in, held.at, sizeof *in);
  else {
    memset(in, 0, sizeof *in);
    in->active = no_slot;
  }
  return there;
}

code slots_write(slots *in, records *store) {
  span all = span_of(in, sizeof *in);
  code written = records_put(store, record_slots, no_name, &all, 1);
  if (written != code_ok) read_written(in, store);
  return written;
}

slot_facts *slots_active(slots *in) { return in->active < flash_slots ? &in->slot[in->active] : NULL; }

code slots_open(slots *in, records *store) {
  if (!read_written(in, store)) return code_ok;
  slot_facts *active = slots_active(in);
  if (active != NULL && active->status == slot_trial) return slots_revert(in, store);
  // What a confirmation that was cut off left.
  return records_delete_all(store, record_kv_before);
}

/* In front of a value, as of kv's own, or alone. */
static const uint8_t absent = 2;

code slots_remember(slots *in, records *store, span kv_name) {
  if (slots_active(in)->status != slot_trial || records_get(store, record_kv_before, kv_name).length > 0) return code_ok;
  span before = records_get(store, record_kv, kv_name);
  if (before.length == 0) before = span_of(&absent, 1);
  return records_put(store, record_kv_before, kv_name, &before, 1);
}

/** Puts all values back. May be cut off and done again. */
static code put_back(records *store) {
  record_type type;
  span name, value;
  for (uint32_t at = 0; records_next(store, &at, &type, &name, &value);) {
    if (type != record_kv_before) continue;
    span now = records_get(store, record_kv, name);
    bool was = value.at[0] != absent;
    if (was ? span_equal(now, value) : now.length == 0) continue;
    TRY(was ? records_put(store, record_kv, name, &value, 1) : records_delete(store, record_kv, name));
    at = 0;
  }
  return code_ok;
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
  in->active = slots_spare(in);
  in->slot[in->active].status = slot_trial;
  return slots_write(in, store);
}

code slots_confirm(slots *in, records *store) {
  slots_active(in)->status = slot_confirmed;
  TRY(slots_write(in, store));
  return records_delete_all(store, record_kv_before);
}

code slots_revert(slots *in, records *store) {
  // First what the trial wrote, as long as it counts as one: a cut in between has it done again.
  TRY(put_back(store));
  uint8_t other = slots_spare(in);
  in->slot[in->active].status = slot_failed;
  in->active = in->slot[other].status == slot_confirmed ? other : no_slot;
  TRY(slots_write(in, store));
  return records_delete_all(store, record_kv_before);
}

code slots_clear_spare(slots *in, records *store) {
  uint8_t spare = slots_spare(in);
  if (in->slot[spare].status == slot_empty) return code_ok;
  memset(&in->slot[spare], 0, sizeof in->slot[spare]);
  return slots_write(in, store);
}
