// What a message must look like, as tables: the counterpart of src/wire/codec.ts. A record is a map with small integer keys; keys that aren't known are passed over [P 2.2].
#ifndef HYPHA_SCHEMA_H
#define HYPHA_SCHEMA_H

#include "cbor.h"

typedef enum { is_uint, is_bool, is_id, is_bytes, is_exactly, is_text, is_interface, is_list, is_record, is_one_of, is_union, is_dictionary, is_any } shape_type;

typedef struct shape shape;

/** A field of a record, or a case of a union (without a key). */
typedef struct {
  uint8_t key;
  bool may_be_null;
  const shape *of;
} field;

struct shape {
  uint8_t type;
  /** is_uint: the least; is_one_of: how many words; is_list, is_dictionary: the most items, 0 for any number; is_record, is_union: how many fields or cases. */
  uint16_t count;
  union {
    /** is_uint: the most, 0 for 2^53 − 1; is_bytes, is_text: the most bytes; is_exactly: how many bytes. */
    uint32_t most;
    /** is_list, is_dictionary: of what. */
    const shape *item;
    /** is_record, is_union. */
    const field *fields;
  };
};

#define RECORD(name, ...)                             \
  static const field name##_fields[] = {__VA_ARGS__}; \
  static const shape name = {.type = is_record, .count = sizeof name##_fields / sizeof(field), .fields = name##_fields}
#define UNION(name, ...)                             \
  static const field name##_cases[] = {__VA_ARGS__}; \
  static const shape name = {.type = is_union, .count = sizeof name##_cases / sizeof(field), .fields = name##_cases}
#define LIST_OF(name, of, most) static const shape name = {.type = is_list, .count = (most), .item = &(of)}

/** Whether an item is of the shape, all the way down: else message-malformed. */
code check_shape(cbor item, const shape *of);

extern const shape shape_id, shape_digest, shape_u32, shape_u32_from_1, shape_uint, shape_bool;

#endif
