// One step of an app's change on the board [S 8.11]: the agent says when, the directive says what.
#ifndef HYPHA_ACTIVATION_H
#define HYPHA_ACTIVATION_H

#include "node.h"

/** The fields of an `activation`. The answer is `state`; what this returns, where it isn't code_ok, is to be refused with. */
code node_activate(node *n, cbor fields);
/** Starts the firmware anew once that is due. */
void node_restart(node *n);

#endif
