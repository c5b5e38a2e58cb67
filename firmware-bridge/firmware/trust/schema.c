#include "schema.h"

const shape shape_id = {.type = is_id};
const shape shape_digest = {.type = is_exactly, .most = 32};
const shape shape_u32 = {.type = is_uint, .most = 0xffffffff};
const shape shape_u32_from_1 = {.type = is_uint, .count = 1, .most = 0xffffffff};
const shape shape_uint = {.type = is_uint};
const shape shape_bool = {.type = is_bool};

static bool is_word_byte(uint8_t byte) { return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-'; }

static bool is_well_formed_id(span text) {
  if (text.length == 0 || text.length > 40 || text.at[0] == '-') return false;
  for (uint32_t i = 0; i < text.length; i++)
    if (!is_word_byte(text.at[i])) return false;
  return true;
}

/** At least one byte of a word that begins with a letter. */
static uint32_t take_word(span text, uint32_t at) {
  if (at >= text.length || text.at[at] < 'a' || text.at[at] > 'z') return 0;
  while (at < text.length && is_word_byte(text.at[at])) at++;
  return at;
}

static uint32_t take_digits(span text, uint32_t at) {
  uint32_t from = at;
  while (at < text.length && text.at[at] >= '0' && text.at[at] <= '9') at++;
  return at == from ? 0 : at;
}

/** Such as hypha:host/sensor@0.1.0; the version may be absent. */
static bool is_interface_name(span text) {
  if (text.length > 128) return false;
  uint32_t at = take_word(text, 0);
  if (at == 0 || at == text.length || text.at[at] != ':') return false;
  at = take_word(text, at + 1);
  if (at == 0 || at == text.length || text.at[at] != '/') return false;
  at = take_word(text, at + 1);
  if (at == 0) return false;
  if (at == text.length) return true;
  if (text.at[at] != '@') return false;
  for (int part = 0; part < 3; part++) {
    if (part > 0 && (at >= text.length || text.at[at] != '.')) return false;
    at = take_digits(text, at + 1);
    if (at == 0) return false;
  }
  return at == text.length;
}

static code check_all(cbor list, const shape *of) {
  for EACH(item, list) TRY(check_shape(item, of));
  return code_ok;
}

static code check_record(cbor item, const shape *of) {
  for (const field *each = of->fields; each < of->fields + of->count; each++) {
    cbor value = cbor_get(item, each->key);
    if (!cbor_there(value)) {
      if (!each->may_be_null) return code_message_malformed;
    } else TRY(check_shape(value, each->of));
  }
  return code_ok;
}

static code check_dictionary(cbor item, const shape *of) {
  cbor at = cbor_first(item);
  for (uint32_t count = cbor_argument(item); count > 0; count--) {
    if (cbor_major(at) != cbor_text || cbor_argument(at) > 128) return code_message_malformed;
    at = cbor_next(at);
    TRY(check_shape(at, of->item));
    at = cbor_next(at);
  }
  return code_ok;
}

static code check_union(cbor item, const shape *of) {
  if (cbor_argument(item) != 2) return code_message_malformed;
  cbor kind = cbor_first(item);
  if (cbor_major(kind) != cbor_uint) return code_message_malformed;
  uint64_t index = cbor_wide(kind);
  return index < of->count ? check_shape(cbor_next(kind), of->fields[index].of) : code_message_malformed;
}

code check_shape(cbor item, const shape *of) {
  static const uint8_t majors[] = {cbor_uint, cbor_simple, cbor_text, cbor_bytes, cbor_bytes, cbor_text, cbor_text, cbor_array, cbor_map, cbor_uint, cbor_array, cbor_map};
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
    case is_interface:
      fits = is_interface_name(cbor_content(item));
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
      return of->count != 0 && argument > of->count ? code_message_malformed : check_all(item, of->item);
    case is_dictionary:
      return of->count != 0 && argument > of->count ? code_message_malformed : check_dictionary(item, of);
    case is_record:
      return check_record(item, of);
    case is_union:
      return check_union(item, of);
  }
  return fits ? code_ok : code_message_malformed;
}
