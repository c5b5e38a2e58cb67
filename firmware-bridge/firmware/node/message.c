#include "message.h"

void node_refuse(node *n, uint8_t of, const uint32_t *number, code why) {
  if (n->refusal_count == node_refusals) return;
  n->refusals[n->refusal_count++] = (refusal){of, number != NULL, number != NULL ? *number : 0, why};
}

bool message_begin(node *n, uint8_t channel, uint32_t kind, cbor_out *out) {
  uint8_t *room = wire_reserve(&n->wire, channel);
  if (room == NULL) return false;
  uint32_t most = wire_max_offer(&n->wire);
  *out = (cbor_out){room, 0, most < node_out_payload ? most : node_out_payload};
  out_array(out, 2);
  out_uint(out, kind);
  return true;
}

void message_end(node *n, const cbor_out *out) { wire_offer_reserved(&n->wire, out_fits(out) ? (uint16_t)out->length : UINT16_MAX); }

void message_give_up(node *n) { wire_offer_reserved(&n->wire, UINT16_MAX); }
