// The one sum of points that signatures and keys need (RFC 8032, 5.1).
#ifndef HYPHA_CURVE_H
#define HYPHA_CURVE_H

#include "../base/bytes.h"

/** Of the base point. */
extern const uint8_t curve_base[32];

/** The encoding of b·B − a·A, B being the base point; false where `point`, which is A, is no point. Takes longer for some numbers than for others. */
bool curve_sum(uint8_t out[32], const uint8_t a[32], const uint8_t point[32], const uint8_t b[32]);

#endif
