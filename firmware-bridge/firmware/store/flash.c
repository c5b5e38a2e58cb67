#include "flash.h"

area flash_bank(int which) {
  uint32_t bytes = board.flash.bank_pages * board.flash.page;
  return (area){(uint32_t)which * bytes, bytes};
}

area flash_inbox(void) { return (area){2u * board.flash.bank_pages * board.flash.page, board.flash.inbox_pages * board.flash.page}; }

/** Where the firmwares begin, and all else ends. */
static uint32_t firmware_from(void) { return board.flash.bytes - (board.flash.firmware_pages > 0 ? 2u * board.flash.firmware_pages + 2 : 0) * board.flash.page; }

area flash_firmware(int which) {
  uint32_t bytes = board.flash.firmware_pages * board.flash.page;
  return (area){firmware_from() + (uint32_t)which * bytes, bytes};
}

boot_place flash_boot(void) {
  uint32_t offset = board.flash.bytes - 2 * board.flash.page;
  return (boot_place){flash_at(offset), offset, board.flash.page, board.flash.unit};
}

area flash_slot(int which) {
  area inbox = flash_inbox();
  uint32_t from = inbox.offset + inbox.bytes;
  uint32_t bytes = (firmware_from() - from) / flash_slots / board.flash.page * board.flash.page;
  return (area){from + (uint32_t)which * bytes, bytes};
}

code flash_erase(area of) {
  for (uint32_t at = 0; at < of.bytes; at += board.flash.page) {
    board_alive();
    if (!board_erase(of.offset + at)) return code_board_flash;
  }
  return code_ok;
}

code flash_erase_written(area of) {
  for (uint32_t at = 0; at < of.bytes; at += board.flash.page) {
    area page = area_part(of, at, board.flash.page);
    if (flash_written(page) > 0) TRY(flash_erase(page));
  }
  return code_ok;
}

uint32_t flash_written(area of) {
  uint32_t bytes = of.bytes;
  while (bytes > 0 && flash_at(of.offset)[bytes - 1] == 0xff) bytes--;
  return bytes;
}

void writer_begin(flash_writer *writer, area into, uint32_t from) {
  writer->at = into.offset + from;
  writer->end = into.offset + into.bytes;
}

code writer_add(flash_writer *writer, span bytes) {
  const uint32_t unit = board.flash.unit;
  if (bytes.length > writer->end - writer->at) return code_board_full;
  while (bytes.length > 0) {
    uint32_t filled = writer->at % unit;
    if (filled == 0 && bytes.length >= unit) {
      uint32_t whole = bytes.length / unit * unit;
      if (!board_program(writer->at, bytes.at, whole)) return code_board_flash;
      writer->at += whole;
      bytes.at += whole;
      bytes.length -= whole;
      continue;
    }
    writer->waiting[filled] = *bytes.at++;
    bytes.length--;
    writer->at++;
    if (filled + 1 == unit && !board_program(writer->at - unit, writer->waiting, unit)) return code_board_flash;
  }
  return code_ok;
}

code writer_end(flash_writer *writer) {
  static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  uint32_t filled = writer->at % board.flash.unit;
  return filled == 0 ? code_ok : writer_add(writer, span_of(ones, board.flash.unit - filled));
}

uint32_t writer_durable(const flash_writer *writer) { return writer->at - writer->at % board.flash.unit; }
