// Constants of SHA-2 (FIPS 180-4, 4.2.2, 4.2.3, 5.3.3 and 5.3.5): those of SHA-256 are the upper halves of SHA-512's.
#ifndef HYPHA_SHA_ROUNDS_H
#define HYPHA_SHA_ROUNDS_H

#include <stdint.h>

extern const uint64_t sha_rounds[80], sha_first[8];

#endif
