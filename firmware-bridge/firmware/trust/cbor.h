// CBOR (RFC 8949) where it lies: nothing is copied and nothing allocated. What comes from outside goes through cbor_check once, which refuses what the other
// tiers refuse [P 2.1]; the rest reads items of bytes that were checked, and needs no bounds.
#ifndef HYPHA_CBOR_H
#define HYPHA_CBOR_H

#include "../base/bytes.h"
#include "../base/codes.h"

/** One item of bytes that were checked, from its first one on; NULL for none. */
typedef const uint8_t *cbor;

enum { cbor_uint = 0, cbor_negative = 1, cbor_bytes = 2, cbor_text = 3, cbor_array = 4, cbor_map = 5, cbor_tag = 6, cbor_simple = 7 };

#define CBOR_NO_TAG 0xffffffffu

/** Whether the bytes are exactly one item: definite lengths, no tag but `tag`, nested at most 16 deep, text in UTF-8, keys numbers or text and each there once. */
code cbor_check(span bytes, uint32_t tag);

static inline int cbor_major(cbor item) { return *item >> 5; }
/** Whether there is an item that isn't null. */
bool cbor_there(cbor item);
/** Its number, its length in bytes, or how many items it has; 0 of none. */
uint64_t cbor_wide(cbor item);
/** The lower 32 bits of that: all there is of lengths, and of numbers whose shape says so. */
uint32_t cbor_argument(cbor item);
/** What stands in a byte string or text. */
span cbor_content(cbor item);
bool cbor_content_is(cbor item, span bytes);
/** The first item in an array, a map or a tag; none where there is none. */
cbor cbor_first(cbor item);
/** The item behind this one, or where that would stand. */
cbor cbor_next(cbor item);
/** The value of a key that is a small number; none where it isn't there. */
cbor cbor_get(cbor map, uint32_t key);

/** The next item of a list that may be null; NULL behind the last. Begins with the list itself and NULL. */
cbor cbor_step(cbor walk[2]);
/** Over the items of a list that may be null: `for EACH(item, list)`. */
#define EACH(name, all) (cbor walk_##name[2] = {(all), NULL}, name; (name = cbor_step(walk_##name)) != NULL;)

/* Of records: what stands under a key. */
span content_of(cbor map, uint32_t key);
bool content_is(cbor map, uint32_t key, span bytes);
uint32_t number_of(cbor map, uint32_t key);
/** How many items a list has, null counting as none. */
uint32_t count_of(cbor list);

#endif
