// Random numbers, also on boards that have none of their own: made of the board's secret and of how often it was started.
#ifndef HYPHA_RANDOM_H
#define HYPHA_RANDOM_H

#include "../update/transfer.h"

/** Makes the board's key at its first start, and its id; counts starts. board-flash, board-full. */
code identity_open(held *in);
void random_bytes(uint8_t *bytes, uint32_t count);

#endif
