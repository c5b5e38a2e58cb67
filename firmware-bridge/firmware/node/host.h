// What a module may ask of this board (wasm/host.h), for the one instance that runs.
#ifndef HYPHA_NODE_HOST_H
#define HYPHA_NODE_HOST_H

#include "cell.h"

/** For the binder; `host` is the cell. */
extern const struct host_ops node_host;

/** What the turn wrote to its kv goes to flash. board-full, board-flash. */
code host_keep(cell *c);
/** What the turn wrote is forgotten. */
void host_undo(cell *c);

#endif
