// QEMU writes all that its image file has into memory again at each reset. So the first firmware isn't in its slot there but behind it, and is copied once, as a factory flashes it.
#include "../base/bytes.h"
#include "../boot/start.h"
#include "mps2_an386.h"
#include "slots_in_ram.h"

extern const uint8_t factory_begin[], factory_end[];

const boot_place boot_records = {(const uint8_t *)(FLASH_AT + BOOT_OFFSET), BOOT_OFFSET, flash_page, flash_unit};
const uint32_t boot_slots[2] = {SLOT_A, SLOT_B};

RAM_FLASH(FLASH_AT, flash_page)

void board_watch(bool on) { mps2_watch(on); }

void boot_prepare(void) {
  if (boot_read(&boot_records).sequence != 0) return;
  memset((void *)FLASH_AT, 0xff, flash_pages * flash_page);
  memcpy((void *)SLOT_A, factory_begin, (uint32_t)(factory_end - factory_begin));
  boot_write(&boot_records, 0, boot_none);
}
