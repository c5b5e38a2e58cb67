// QEMU doesn't model writing this board's flash: no second firmware ever comes into it, nor a record that would pick one. The boot part is the same as on any other board, and starts
// the first slot.
#include "../base/bytes.h"
#include "../boot/start.h"

/* The last two pages of its flash. */
const boot_place boot_records = {(const uint8_t *)0x0003f800, 0, 1024, 4};
const uint32_t boot_slots[2] = {SLOT_A, SLOT_A};

void boot_prepare(void) {}
void board_watch(bool on) { (void)on; }

bool board_erase(uint32_t offset) {
  (void)offset;
  return false;
}
bool board_program(uint32_t offset, const void *bytes, uint32_t count) {
  (void)offset;
  (void)bytes;
  (void)count;
  return false;
}
