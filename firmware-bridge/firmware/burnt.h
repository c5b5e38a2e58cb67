// What `hypha mcu build` burns into a firmware: whom to believe, and who the board is.
#ifndef HYPHA_BURNT_H
#define HYPHA_BURNT_H

#include "base/bytes.h"

typedef struct {
  /** Payload of the root metadata that was newest when the firmware was built; empty: the board believes nobody. */
  span root;
  /** By which the gateway accepts the board by itself; empty: it is pending until somebody accepts it. */
  span invite;
  /** The board's id; empty: it is made of its key. */
  span id;
  /** 32 bytes nobody else knows, for boards without entropy of their own; empty for all others. */
  span seed;
} burnt_facts;

extern const burnt_facts burnt;

#endif
