// Cuts the power at every single write of an update of the firmware, the boot part's own included: what starts must always be the old or the new, whole, with counters that never
// fell. The images are no programs here: which slot the boot part would start is all that is asked of it.
//
// Words: root metadata's payload; directive, release, image as sent, its digest, its size, and the base's digest of a patch or "-"; the image that runs before.
#include "../trust/sha256.h"
#include "cutting.h"
#include "words.h"

enum { firmware_pages = 8, flash_bytes = (32 + 2 * firmware_pages + 2) * 1024 };

static span directive, release, sent, digest, base, old;
static uint32_t size;

/** What the boot part picks, and what the firmware makes of it. */
static code open(held *in) {
  bool reverted = false;
  boot_place place = flash_boot();
  running_slot = boot_choose(&place);
  return firmware_open(in, &reverted);
}

static void update(held *in);
static bool is_new(const held *in);
static const update_story story = {{(const uint8_t *)"hypha-firmware", 14}, open, update, is_new, 3};

static void update(held *in) {
  send_envelope(in, what_directive, directive);
  if (running_slot == 0) {
    send_envelope(in, what_release, release);
    send_whole(in, what_content, sent, digest, size, base);
    code found = firmware_activate(in);
    if (found != code_ok) fail("activate", found);
    start(&story, in);
  }
  // A trial that was cut off too often is over, and the next round begins it anew.
  if (running_slot == 1 && in->firmware_trial && firmware_confirm(in) != code_ok) fail("confirm", code_ok);
}

static bool is_new(const held *in) {
  (void)in;
  bool found = running_slot == 1;
  uint8_t there[32], wanted[32];
  sha256_of(old, wanted);
  sha256_of(span_of(flash_at(flash_firmware(running_slot).offset), found ? size : old.length), there);
  if (memcmp(there, found ? digest.at : wanted, 32) != 0) fail(found ? "the new one isn't whole" : "the old one isn't whole", code_ok);
  return found;
}

int main(void) {
  static held in;
  if (!words_read()) return 1;
  facts.root = words[0];
  directive = words[1], release = words[2], sent = words[3], digest = words[4], size = load32(words[5].at), base = words[6], old = words[7];
  uint8_t *flash = make_flash(flash_bytes, 4, firmware_pages);
  // As it was flashed, with the facts of an image that was received: a base for patches.
  memcpy(flash + flash_firmware(0).offset, old.at, old.length);
  start(&story, &in);
  firmware_facts flashed = firmware_read(&in);
  flashed.slot[0].bytes = old.length;
  sha256_of(old, flashed.slot[0].digest);
  span value = span_of(&flashed, sizeof flashed);
  if (records_put(&in.store, record_firmware, (span){NULL, 0}, &value, 1) != code_ok) fail("facts", code_ok);
  return cut_everywhere(&story);
}
