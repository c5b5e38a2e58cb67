// Never run: how many bytes each part of what a board holds in RAM takes, as sizes of symbols.
#include "../node/node.h"

#define PART(name) char ram_##name[sizeof((node *)0)->name];

PART(wire_arena)
PART(wire)
PART(ring)
PART(cell)
PART(held)
