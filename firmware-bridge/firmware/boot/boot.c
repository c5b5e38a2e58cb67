#include "boot.h"

#include "../base/bytes.h"
#include "../board.h"
#include "../wire/crc32.h"

/* A page: magic, sequence; confirmed, trial, two bytes of ones, CRC of all before it; then a unit for each start of the trial, all ones until it begins. */
enum { magic = 0x31524248, body_bytes = 12, record_bytes = 16, mark_bytes = 8 };

static uint32_t crc_of(const uint8_t *record) { return crc32_end(crc32_step(crc32_begin, record, body_bytes)); }

static bool is_erased(const uint8_t *mark) {
  for (int i = 0; i < mark_bytes; i++)
    if (mark[i] != 0xff) return false;
  return true;
}

boot_record boot_read(const boot_place *in) {
  boot_record found = {.trial = boot_none, .page = 1};
  for (uint8_t page = 0; page < 2; page++) {
    const uint8_t *at = in->at + page * in->page;
    uint32_t sequence = load32(at + 4);
    if (load32(at) != magic || load32(at + body_bytes) != crc_of(at)) continue;
    if (found.sequence != 0 && (int32_t)(sequence - found.sequence) < 0) continue;
    found = (boot_record){at[8], at[9], 0, page, sequence};
    // A mark that was cut off counts: a trial has a start less, never one more.
    while (found.tries < boot_tries && !is_erased(at + record_bytes + found.tries * mark_bytes)) found.tries++;
  }
  return found;
}

uint8_t boot_choose(const boot_place *in) {
  static const uint8_t begun[mark_bytes];
  boot_record found = boot_read(in);
  if (found.trial == boot_none || found.tries >= boot_tries) return found.confirmed;
  uint32_t mark = in->offset + found.page * in->page + record_bytes + found.tries * mark_bytes;
  // A start that can't be counted could be tried for ever.
  return board_program(mark, begun, mark_bytes) ? found.trial : found.confirmed;
}

bool boot_write(const boot_place *in, uint8_t confirmed, uint8_t trial) {
  boot_record before = boot_read(in);
  uint32_t page = in->offset + (1u - before.page) * in->page;
  uint8_t record[record_bytes];
  memset(record, 0xff, sizeof record);
  store32(record, magic);
  store32(record + 4, before.sequence + 1);
  record[8] = confirmed;
  record[9] = trial;
  store32(record + body_bytes, crc_of(record));
  return board_erase(page) && board_program(page, record, sizeof record);
}
