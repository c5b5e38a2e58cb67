// Messages of docs/serial.md, section 8: what saying and hearing them share.
#ifndef HYPHA_MESSAGE_H
#define HYPHA_MESSAGE_H

#include "node.h"

enum { to_time, to_offer, to_piece, to_abandon, to_activation, to_ack, to_session, to_input, to_call, to_kinds };
enum { from_identify, from_state, from_held, from_refused, from_report, from_session, from_answer, from_firmware };

/** Of `refused`: what it is of. */
enum { of_transfer, of_activation, of_session, of_input, of_call };

/** Remembers a refusal until there is room to say it. `number` may be NULL. */
void node_refuse(node *n, uint8_t of, const uint32_t *number, code why);

/** The longest answer. */
enum { most_answer = 32 };
/** Begins a message on a channel, of at most so many bytes; false where there is no room now. */
bool message_begin(node *n, uint8_t channel, uint32_t kind, uint32_t most, cbor_out *out);
/** Sends it; what doesn't fit isn't sent, and its place is free again. Nothing in messages grows with what comes from outside. */
void message_end(node *n, const cbor_out *out);
/** Isn't sent after all. */
void message_give_up(node *n);
/** A whole message on channel control: written once to learn its length, and once into its place. False where there is no room now. */
bool message_send(node *n, uint32_t kind, void (*write)(const node *n, cbor_out *out));

/** say.c: what is owed to the bridge, as far as there is room. */
void node_say(node *n);
/** hear.c: what came from it, as far as it can be answered. */
void node_hear(node *n);

#endif
