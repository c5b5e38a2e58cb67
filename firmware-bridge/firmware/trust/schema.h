// What a message must look like, as tables: the counterpart of src/wire/codec.ts. A record is a map with small integer keys; keys that aren't known are passed over [P 2.2].
#ifndef HYPHA_SCHEMA_H
#define HYPHA_SCHEMA_H

#include "cbor.h"

typedef enum { is_uint, is_bool, is_id, is_bytes, is_exactly, is_text, is_list, is_record, is_one_of, is_union, is_dictionary, is_any } shape_type;

/** A field of a record, or a case of a union (without a key). `of` is the place of its shape in the table that both are of. */
typedef struct {
  uint8_t key : 7, may_be_null : 1;
  uint8_t of;
} field;

typedef struct {
  uint8_t type;
  /** is_list, is_dictionary: of what, by its place. */
  uint8_t item;
  /** is_uint: the least; is_one_of: how many words; is_list, is_dictionary: the most items; is_record, is_union: how many fields or cases. */
  uint16_t count;
  union {
    /** is_uint: the most, 0 for 2^53 − 1; is_bytes, is_text: the most bytes; is_exactly: how many bytes. */
    uint32_t most;
    /** is_record, is_union. */
    const field *fields;
  };
} shape;

#define SHAPE_U32 {.type = is_uint, .most = 0xffffffff}
#define SHAPE_U32_FROM_1 {.type = is_uint, .count = 1, .most = 0xffffffff}
#define LIST_OF(of, many) {.type = is_list, .item = (of), .count = (many)}
#define DICTIONARY_OF(of, many) {.type = is_dictionary, .item = (of), .count = (many)}
#define RECORD_OF(all) {.type = is_record, .count = sizeof(all) / sizeof(field), .fields = (all)}
#define UNION_OF(all) {.type = is_union, .count = sizeof(all) / sizeof(field), .fields = (all)}

/** Whether an item is of the shape at that place of a table, all the way down: else message-malformed. */
code check_shape(cbor item, const shape *table, uint8_t of);

#endif
