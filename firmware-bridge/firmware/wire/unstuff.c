#include "crc32.h"
#include "internal.h"

static uint16_t most(const wire *w) { return (uint16_t)(w->config.max_payload + wire_overhead); }

static void append(wire *w, uint8_t byte) {
  /* Beyond the end only the length tells. */
  if (w->got < most(w)) in_place(w, w->into)[w->got] = byte;
  w->got++;
}

/** Why the bytes that were got are no frame, or wire_drop_reasons. [S 2.7] */
static int check(wire *w, frame *to) {
  const uint8_t *bytes = in_place(w, w->into);
  if (w->got > most(w)) return wire_too_long;
  if (w->group_left > 0) return wire_cut;
  if (w->got < wire_overhead) return wire_too_short;
  uint16_t length = (uint16_t)(w->got - wire_overhead);
  if (crc32_end(crc32_step(crc32_begin, bytes, w->got - crc_bytes)) != get32(bytes + w->got - crc_bytes)) return wire_bad_crc;
  if (get16(bytes + 3) != length) return wire_bad_length;
  *to = (frame){bytes[0] & 15, bytes[0] >> 4, get16(bytes + 1), length, bytes + head_bytes};
  if (to->kind < kind_hello || to->kind > kind_reset) return wire_bad_kind;
  if ((to->kind == kind_data || to->kind == kind_ack) && to->channel >= wire_channels) return wire_bad_kind;
  if (to->kind == kind_ack && length != ack_bytes) return wire_bad_fields;
  return wire_drop_reasons;
}

bool unstuff(wire *w, uint8_t byte, frame *to) {
  if (byte != 0) {
    w->begun = true;
    if (w->got > most(w)) return false;
    if (w->group_left > 0) {
      w->group_left--;
      append(w, byte);
      return false;
    }
    if (w->zero_due) append(w, 0);
    w->group_left = (uint8_t)(byte - 1);
    w->zero_due = byte != 0xff;
    return false;
  }
  /* Zero bytes with nothing between them are no frame. [S 2.8] */
  if (!w->begun) return false;
  int why = check(w, to);
  w->got = 0;
  w->group_left = 0;
  w->zero_due = false;
  w->begun = false;
  if (why < wire_drop_reasons) w->counters.dropped[why]++;
  return why == wire_drop_reasons;
}
