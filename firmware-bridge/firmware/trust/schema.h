// What a message must look like, as tables: the counterpart of src/wire/codec.ts. A record is a map with small integer keys; keys that aren't known are passed over [P 2.2].
#ifndef HYPHA_SCHEMA_H
#define HYPHA_SCHEMA_H

#include "cbor.h"

typedef enum { is_uint, is_bool, is_id, is_bytes, is_text, is_interface, is_list, is_record, is_one_of, is_union, is_dictionary, is_any } shape_type;

typedef struct shape shape;

/** A field of a record, or a case of a union (without a key). The list ends with one without a shape. */
typedef struct {
  uint8_t key;
  bool may_be_null;
  const shape *of;
} field;

struct shape {
  uint8_t type;
  /** is_uint: the least; is_one_of: how many words. */
  uint8_t least;
  /** is_uint: the most, 0 for 2^53 − 1; is_bytes, is_text: bytes, with `exact` no fewer; is_list, is_dictionary: items. */
  uint32_t most;
  bool exact;
  /** is_list, is_dictionary: of what. */
  const shape *item;
  /** is_record, is_union. */
  const field *fields;
};

/** Whether an item is of the shape, all the way down: else message-malformed. */
code check_shape(cbor item, const shape *of);

extern const shape shape_id, shape_digest, shape_u32, shape_u32_from_1, shape_uint, shape_bool;

#endif
