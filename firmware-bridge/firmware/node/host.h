// What a module may ask of this board (wasm/host.h), for the one instance that runs.
#ifndef HYPHA_NODE_HOST_H
#define HYPHA_NODE_HOST_H

#include "cell.h"

/** For the binder; `host` is the cell. */
extern const struct host_ops node_host;

/** One of the board's sensors or actuators; NULL where it has no such. */
const board_thing *find_thing(const board_thing *things, uint32_t count, span name);
/** What the turn wrote to its kv goes to flash. board-full, board-flash. */
code host_keep(cell *c);
/** What the turn wrote is forgotten. */
void host_undo(cell *c);

#endif
