#include "records.h"

#include "../wire/crc32.h"

/*
 * A bank:   magic, sequence, CRC of both, 4 bytes of ones; then records.
 * A record: type, length of the name, length of the value (16 bits), CRC of these, the name and the value; the name; the value; ones up to the next multiple of 8.
 * A record without a value deletes; so values that may be empty carry a byte of their own.
 */
enum { bank_head = 16, record_head = 8, magic = 0x32535048 };

typedef struct {
  record_type type;
  span name;
  span value;
  /** Where the next one is. */
  uint32_t next;
} entry;

static const uint8_t *bank_at(int which) { return flash_at(flash_bank(which).offset); }

static bool is_bank(int which, uint32_t *sequence) {
  const uint8_t *head = bank_at(which);
  if (load32(head) != magic || load32(head + 8) != crc32_end(crc32_step(crc32_begin, head, 8))) return false;
  *sequence = load32(head + 4);
  return true;
}

static uint32_t crc_of(const uint8_t head[4], span name, span value) {
  uint32_t crc = crc32_step(crc32_begin, head, 4);
  crc = crc32_step(crc, name.at, name.length);
  return crc32_end(crc32_step(crc, value.at, value.length));
}

/** Reads the entry at an offset; false where there is none: `torn` then tells whether something else is there. */
static bool read_entry(int bank, uint32_t at, entry *out, bool *torn) {
  const uint32_t bytes = flash_bank(bank).bytes;
  const uint8_t *head = bank_at(bank) + at;
  *torn = false;
  if (at + record_head > bytes) return false;
  uint32_t name = head[1], value = (uint32_t)head[2] | (uint32_t)head[3] << 8;
  bool erased = true;
  for (int i = 0; i < record_head; i++) erased = erased && head[i] == 0xff;
  if (erased) return false;
  *torn = true;
  uint32_t size = round_up(record_head + name + value, 8);
  if (head[0] == 0 || head[0] == 0xff || size > bytes - at) return false;
  *out = (entry){(record_type)head[0], span_of(head + record_head, name), span_of(head + record_head + name, value), at + size};
  if (load32(head + 4) != crc_of(head, out->name, out->value)) return false;
  *torn = false;
  return true;
}

static bool is_of(const entry *one, record_type type, span name) { return one->type == type && span_equal(one->name, name); }

/** Whether a later record has the same name. */
static bool is_replaced(const records *in, const entry *one) {
  entry later;
  bool torn;
  for (uint32_t at = one->next; at < in->end && read_entry(in->bank, at, &later, &torn); at = later.next)
    if (is_of(&later, one->type, one->name)) return true;
  return false;
}

static bool next_entry(const records *in, uint32_t *at, entry *out) {
  bool torn;
  if (*at < bank_head) *at = bank_head;
  while (*at < in->end && read_entry(in->bank, *at, out, &torn)) {
    *at = out->next;
    if (out->value.length > 0 && !is_replaced(in, out)) return true;
  }
  return false;
}

static code write_entry(uint32_t offset, area bank, record_type type, span name, const span *pieces, int count) {
  uint32_t length = 0;
  for (int i = 0; i < count; i++) length += pieces[i].length;
  uint8_t head[record_head] = {(uint8_t)type, (uint8_t)name.length, (uint8_t)length, (uint8_t)(length >> 8)};
  uint32_t crc = crc32_step(crc32_step(crc32_begin, head, 4), name.at, name.length);
  for (int i = 0; i < count; i++) crc = crc32_step(crc, pieces[i].at, pieces[i].length);
  store32(head + 4, crc32_end(crc));
  flash_writer writer;
  writer_begin(&writer, bank, offset);
  TRY(writer_add(&writer, span_of(head, record_head)));
  TRY(writer_add(&writer, name));
  for (int i = 0; i < count; i++) TRY(writer_add(&writer, pieces[i]));
  return writer_end(&writer);
}

static code write_bank_head(area bank, uint32_t sequence) {
  uint8_t head[bank_head];
  memset(head, 0xff, sizeof head);
  store32(head, magic);
  store32(head + 4, sequence);
  store32(head + 8, crc32_end(crc32_step(crc32_begin, head, 8)));
  flash_writer writer;
  writer_begin(&writer, bank, 0);
  return writer_add(&writer, span_of(head, bank_head));
}

/** Copies what counts, but one, to the other bank, which counts from its head's writing on. */
static code move_over(records *in, const entry *leave_out) {
  int to = 1 - in->bank;
  area bank = flash_bank(to);
  TRY(flash_erase(bank));
  uint32_t end = bank_head;
  entry each;
  for (uint32_t at = 0; next_entry(in, &at, &each);) {
    if (leave_out != NULL && is_of(&each, leave_out->type, leave_out->name)) continue;
    TRY(write_entry(end, bank, each.type, each.name, &each.value, 1));
    end += round_up(record_head + each.name.length + each.value.length, 8);
  }
  TRY(write_bank_head(bank, in->sequence + 1));
  *in = (records){(uint8_t)to, end, in->sequence + 1, false};
  return code_ok;
}

code records_open(records *in) {
  uint32_t sequence[2] = {0, 0};
  bool there[2] = {is_bank(0, &sequence[0]), is_bank(1, &sequence[1])};
  if (!there[0] && !there[1]) {
    TRY(flash_erase(flash_bank(0)));
    TRY(write_bank_head(flash_bank(0), 1));
    *in = (records){0, bank_head, 1, false};
    return code_ok;
  }
  int bank = !there[0] || (there[1] && (int32_t)(sequence[1] - sequence[0]) > 0);
  *in = (records){(uint8_t)bank, bank_head, sequence[bank], false};
  entry each;
  while (read_entry(bank, in->end, &each, &in->torn)) in->end = each.next;
  // Behind the last record all must be erased: a write that was cut may have left anything there.
  area all = flash_bank(bank);
  if (flash_written(all) > in->end) in->torn = true;
  return in->torn ? move_over(in, NULL) : code_ok;
}

span records_get(const records *in, record_type type, span name) {
  span found = {NULL, 0};
  entry each;
  bool torn;
  for (uint32_t at = bank_head; at < in->end && read_entry(in->bank, at, &each, &torn); at = each.next)
    if (is_of(&each, type, name)) found = each.value.length > 0 ? each.value : (span){NULL, 0};
  return found;
}

code records_put(records *in, record_type type, span name, const span *pieces, int count) {
  uint32_t length = 0;
  for (int i = 0; i < count; i++) length += pieces[i].length;
  if (name.length > most_record_name || length > 0xffff) return code_bytes_too_long;
  uint32_t size = round_up(record_head + name.length + length, 8);
  area bank = flash_bank(in->bank);
  if (in->torn || size > bank.bytes - in->end) {
    // The bank that is left stays as it is until the next move: pieces that lie in it are still there. Its record of this name stays until the new one is written.
    if (records_used(in) + bank_head + size > bank.bytes) return code_board_full;
    TRY(move_over(in, NULL));
    bank = flash_bank(in->bank);
  }
  in->torn = true;
  TRY(write_entry(in->end, bank, type, name, pieces, count));
  entry written;
  if (!read_entry(in->bank, in->end, &written, &in->torn)) return code_board_flash;
  in->end = written.next;
  return code_ok;
}

code records_delete(records *in, record_type type, span name) {
  if (records_get(in, type, name).at == NULL) return code_ok;
  code put = records_put(in, type, name, NULL, 0);
  // A store that is full has no room to say so: what is left out of the other bank is deleted too.
  entry gone = {.type = type, .name = name};
  return put == code_board_full ? move_over(in, &gone) : put;
}

code records_delete_all(records *in, record_type type) {
  entry each;
  for (uint32_t at = 0; next_entry(in, &at, &each);) {
    if (each.type != type) continue;
    uint8_t name[most_record_name];
    memcpy(name, each.name.at, each.name.length);
    TRY(records_delete(in, type, span_of(name, each.name.length)));
    at = 0;
  }
  return code_ok;
}

bool records_next(const records *in, uint32_t *at, record_type *type, span *name, span *value) {
  entry each;
  if (!next_entry(in, at, &each)) return false;
  *type = each.type;
  *name = each.name;
  *value = each.value;
  return true;
}

uint32_t records_used(const records *in) {
  uint32_t used = 0;
  entry each;
  for (uint32_t at = 0; next_entry(in, &at, &each);) used += round_up(record_head + each.name.length + each.value.length, 8);
  return used;
}

uint32_t records_room(void) { return flash_bank(0).bytes - bank_head; }
