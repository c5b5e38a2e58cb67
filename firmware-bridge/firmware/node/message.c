#include "message.h"

void node_refuse(node *n, uint8_t of, const uint32_t *number, code why) {
  if (n->refusal_count == node_refusals) return;
  n->refusals[n->refusal_count++] = (refusal){of, number != NULL, (uint8_t)why, number != NULL ? *number : 0};
}

bool message_begin(node *n, uint8_t channel, uint32_t kind, uint32_t most, cbor_out *out) {
  if (most > wire_max_offer(&n->wire)) most = wire_max_offer(&n->wire);
  uint8_t *room = wire_reserve(&n->wire, channel, (uint16_t)most);
  if (room == NULL) return false;
  *out = (cbor_out){room, 0, most};
  out_array(out, 2);
  out_uint(out, kind);
  return true;
}

void message_end(node *n, const cbor_out *out) { wire_offer_reserved(&n->wire, out_fits(out) ? (uint16_t)out->length : UINT16_MAX); }

void message_give_up(node *n) { wire_offer_reserved(&n->wire, UINT16_MAX); }

bool message_send(node *n, uint32_t kind, void (*write)(const node *n, cbor_out *out)) {
  cbor_out out = {NULL, 0, 0};
  write(n, &out);
  // Two bytes come before it.
  if (!message_begin(n, wire_control, kind, out.length + 2, &out)) return false;
  write(n, &out);
  message_end(n, &out);
  return true;
}
