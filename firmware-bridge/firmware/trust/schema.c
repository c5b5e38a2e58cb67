#include "schema.h"

static bool is_word_byte(uint8_t byte) { return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-'; }

static bool is_well_formed_id(span text) {
  if (text.length == 0 || text.length > 40 || text.at[0] == '-') return false;
  for (uint32_t i = 0; i < text.length; i++)
    if (!is_word_byte(text.at[i])) return false;
  return true;
}

static code check_record(cbor item, const shape *table, const shape *of) {
  for (const field *each = of->fields; each < of->fields + of->count; each++) {
    cbor value = cbor_get(item, each->key);
    if (!cbor_there(value)) {
      if (!each->may_be_null) return code_message_malformed;
    } else TRY(check_shape(value, table, each->of));
  }
  return code_ok;
}

/** Of a list, or of a dictionary, in which each item stands behind its name. */
static code check_items(cbor item, const shape *table, const shape *of) {
  uint32_t count = cbor_argument(item);
  if (count > of->count) return code_message_malformed;
  cbor at = cbor_first(item);
  for (; count > 0; count--, at = cbor_next(at)) {
    if (of->type == is_dictionary) {
      if (cbor_major(at) != cbor_text || cbor_argument(at) > 128) return code_message_malformed;
      at = cbor_next(at);
    }
    TRY(check_shape(at, table, of->item));
  }
  return code_ok;
}

static code check_union(cbor item, const shape *table, const shape *of) {
  if (cbor_argument(item) != 2) return code_message_malformed;
  cbor kind = cbor_first(item);
  if (cbor_major(kind) != cbor_uint) return code_message_malformed;
  uint64_t index = cbor_wide(kind);
  return index < of->count ? check_shape(cbor_next(kind), table, of->fields[index].of) : code_message_malformed;
}

code check_shape(cbor item, const shape *table, uint8_t which) {
  const shape *of = table + which;
  static const uint8_t majors[] = {cbor_uint, cbor_simple, cbor_text, cbor_bytes, cbor_bytes, cbor_text, cbor_array, cbor_map, cbor_uint, cbor_array, cbor_map};
  if (!cbor_there(item)) return code_message_malformed;
  if (of->type == is_any) return code_ok;
  if (cbor_major(item) != majors[of->type]) return code_message_malformed;
  uint64_t argument = cbor_wide(item);
  bool fits = true;
  switch (of->type) {
    case is_uint:
      fits = argument >= of->count && argument <= (of->most == 0 ? 0x1fffffffffffffull : of->most);
      break;
    case is_bool:
      fits = *item == 0xf4 || *item == 0xf5;
      break;
    case is_id:
      fits = is_well_formed_id(cbor_content(item));
      break;
    case is_exactly:
      fits = argument == of->most;
      break;
    case is_bytes:
    case is_text:
      fits = argument <= of->most;
      break;
    case is_one_of:
      fits = argument < of->count;
      break;
    case is_list:
    case is_dictionary:
      return check_items(item, table, of);
    case is_record:
      return check_record(item, table, of);
    case is_union:
      return check_union(item, table, of);
  }
  return fits ? code_ok : code_message_malformed;
}
