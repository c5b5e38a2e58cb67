// Numbers below the order of the base point (RFC 8032, 5.1). Only those of signatures, which anyone may know: nothing here is in constant time.
#ifndef HYPHA_SCALAR_H
#define HYPHA_SCALAR_H

#include "../base/bytes.h"

/** Whether 32 bytes, the lowest first, are a number below the order. */
bool scalar_is_reduced(const uint8_t bytes[32]);
/** The rest of 64 bytes divided by the order, in the first 32 of them. */
void scalar_reduce(uint8_t bytes[64]);

#endif
