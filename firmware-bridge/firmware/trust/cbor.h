// CBOR (RFC 8949) where it lies: nothing is copied and nothing allocated. What comes from outside goes through cbor_check once, which refuses what the other
// tiers refuse [P 2.1]; the rest reads items of bytes that were checked.
#ifndef HYPHA_CBOR_H
#define HYPHA_CBOR_H

#include "../base/bytes.h"
#include "../base/codes.h"

/** One item, from its first byte on; `at` is NULL for none. */
typedef span cbor;

enum { cbor_uint = 0, cbor_negative = 1, cbor_bytes = 2, cbor_text = 3, cbor_array = 4, cbor_map = 5, cbor_tag = 6, cbor_simple = 7 };

#define CBOR_NO_TAG 0xffffffffu

/** Whether the bytes are exactly one item: definite lengths, no tag but `tag`, nested at most 16 deep, text in UTF-8, keys numbers or text and each there once. */
code cbor_check(span bytes, uint32_t tag);

static inline int cbor_major(cbor item) { return item.at[0] >> 5; }
/** Whether there is an item that isn't null. */
bool cbor_there(cbor item);
/** Its number, its length in bytes, or how many items it has. */
uint64_t cbor_argument(cbor item);
/** What stands in a byte string or text. */
span cbor_content(cbor item);
/** The first item in an array, a map or a tag; none where there is none. */
cbor cbor_first(cbor item);
/** The item behind this one. `in` ends where its container does: pass what cbor_first was given last. */
cbor cbor_next(cbor item);
/** The value of a key that is a small number; none where it isn't there. */
cbor cbor_get(cbor map, uint32_t key);

#endif
