// Cuts the power at every single write of an update of the firmware, the boot part's own included, and once more in what follows: what starts must always be the old or the new, whole,
// with counters that never fell. The images are no programs here: which slot the boot part would start is all that is asked of it.
//
// Words: root metadata's payload; directive, release, image as sent, its digest, its size, and the base's digest of a patch or "-"; the image that runs before.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../boards/host_flash.h"
#include "../burnt.h"
#include "../node/random.h"
#include "../trust/sha256.h"
#include "../update/firmware.h"
#include "words.h"

enum { page = 1024, firmware_pages = 8, flash_bytes = (32 + 2 * firmware_pages + 2) * page, scratch_bytes = 12 * 1024 };

burnt_facts facts = {.id = {(const uint8_t *)"mcu-1", 5}};
__asm__(".globl burnt\n.set burnt, facts");
board_facts test_board = {.name = "check", .arena_bytes = 64 * 1024};
// Changed at the start, before anything reads it: the compiler must not take it for the constant that it is to all others.
__asm__(".globl board\n.set board, test_board");

static jmp_buf cut;
static uint8_t slot;
static void die(void) { longjmp(cut, 1); }
void board_alive(void) {}
void board_watch(bool on) { (void)on; }
uint8_t board_slot(void) { return slot; }
bool board_entropy(uint8_t *bytes, uint32_t count) {
  memset(bytes, 7, count);
  return true;
}

static uint64_t scratch[scratch_bytes / 8];
static span directive, release, sent, digest, base, old;
static uint32_t size;

static void fail(const char *why, code which) {
  printf("failed %s %s write %llu\n", why, code_text(which), (unsigned long long)host_flash_writes);
  exit(1);
}

/** As the board does at its start: the boot part first. */
static void start(held *in) {
  bool reverted = false;
  boot_place place = flash_boot();
  slot = boot_choose(&place);
  memset(in, 0, sizeof *in);
  code found = records_open(&in->store);
  if (found == code_ok) found = identity_open(in);
  if (found == code_ok) found = slots_open(&in->slots, &in->store);
  if (found == code_ok) found = firmware_open(in, &reverted);
  if (found != code_ok) fail("start", found);
}

static void send(held *in, uint8_t what, span bytes, span whole, uint32_t whole_size) {
  enum { piece = 200 };
  transfer_offer offer;
  memset(&offer, 0, sizeof offer);
  offer.what = what;
  memcpy(offer.digest, whole.at, 32);
  offer.size = whole_size;
  offer.wire_size = bytes.length;
  offer.is_patch = offer.has_base = what == what_content && base.length == 32;
  if (offer.has_base) memcpy(offer.base, base.at, 32);
  uint32_t at;
  bool complete;
  code found = transfer_begin(in, 1, &offer, &at, &complete);
  if (found != code_ok) fail("offer", found);
  while (!complete && at < bytes.length) {
    uint32_t take = bytes.length - at < piece ? bytes.length - at : piece;
    found = transfer_add(in, 1, at, span_of(bytes.at + at, take));
    if (found != code_ok) fail("piece", found);
    at += take;
  }
  if (complete) return;
  found = transfer_judge(in, (uint8_t *)scratch, scratch_bytes);
  if (found != code_ok) fail(what == what_content ? "image" : what == what_release ? "release" : "directive", found);
}

static void send_envelope(held *in, uint8_t what, span bytes) {
  uint8_t found[32];
  sha256_of(bytes, found);
  send(in, what, bytes, span_of(found, 32), bytes.length);
}

/** All of the update that isn't done yet, with the start that it needs. */
static void update(held *in) {
  send_envelope(in, what_directive, directive);
  if (slot == 0) {
    send_envelope(in, what_release, release);
    send(in, what_content, sent, digest, size);
    code found = firmware_activate(in);
    if (found != code_ok) fail("activate", found);
    start(in);
  }
  // A trial that was cut off too often is over, and the next round begins it anew.
  if (slot == 1 && in->firmware_trial && firmware_confirm(in) != code_ok) fail("confirm", code_ok);
}

typedef struct {
  risen app;
  uint32_t directive;
} counters;

static counters count(const held *in) {
  trust by = held_trust(in);
  return (counters){held_risen(in, SPAN_TEXT("hypha-firmware")), by.directive.length > 0 ? number_of(by.directive.at, directive_version) : 0};
}

/** What starts after a cut: whole, and no counter lower than it was. Answers whether it is the new one. */
static bool check(const held *in, counters *before) {
  span expected = slot == 1 ? digest : span_of(NULL, 0);
  uint8_t found[32], wanted[32];
  if (slot == 0) {
    sha256_of(old, wanted);
    expected = span_of(wanted, 32);
  }
  sha256_of(span_of(flash_at(flash_firmware(slot).offset), slot == 1 ? size : old.length), found);
  if (memcmp(found, expected.at, 32) != 0) fail(slot == 1 ? "the new one isn't whole" : "the old one isn't whole", code_ok);
  counters after = count(in);
  if (after.app.floor < before->app.floor || after.app.release < before->app.release || after.app.epoch < before->app.epoch || after.directive < before->directive)
    fail("a counter fell", code_ok);
  *before = after;
  return slot == 1;
}

int main(void) {
  static held in;
  if (!words_read()) return 1;
  facts.root = words[0];
  directive = words[1], release = words[2], sent = words[3], digest = words[4], size = load32(words[5].at), base = words[6], old = words[7];
  uint8_t *flash = (uint8_t *)host_flash_open(NULL, flash_bytes, page, 8);
  test_board.flash = (board_flash){flash, flash_bytes, page, 8, 4, 4, firmware_pages};
  host_flash_dies = die;
  // As it was flashed, with the facts of an image that was received: a base for patches.
  memcpy(flash + flash_firmware(0).offset, old.at, old.length);
  start(&in);
  firmware_facts flashed = firmware_read(&in);
  flashed.slot[0].bytes = old.length;
  sha256_of(old, flashed.slot[0].digest);
  span value = span_of(&flashed, sizeof flashed);
  if (records_put(&in.store, record_firmware, (span){NULL, 0}, &value, 1) != code_ok) fail("facts", code_ok);
  uint8_t *kept = malloc(flash_bytes);
  memcpy(kept, flash, flash_bytes);
  // Not in registers, which a cut would put back.
  static counters first, seen;
  static uint32_t cuts, olds, news, again;
  start(&in);
  first = count(&in);
  for (;; cuts++) {
    memcpy(flash, kept, flash_bytes);
    seen = first;
    host_flash_writes = 0;
    host_flash_cut_at = cuts + 1;
    bool was_cut = setjmp(cut) != 0;
    if (!was_cut) {
      start(&in);
      update(&in);
      break;
    }
    // The power comes back, and goes again in what is done then.
    host_flash_writes = 0;
    host_flash_cut_at = 1 + cuts * 37 % 400;
    if (setjmp(cut) == 0) {
      start(&in);
      if (check(&in, &seen)) news++;
      else olds++;
      update(&in);
    } else again++;
    host_flash_cut_at = 0;
    for (int rounds = 0; rounds < 3; rounds++) {
      start(&in);
      check(&in, &seen);
      update(&in);
    }
    start(&in);
    if (!check(&in, &seen) || in.firmware_trial) fail("the update didn't end", code_ok);
  }
  free(kept);
  printf("ok cuts %u old %u new %u again %u\n", cuts, olds, news, again);
  return 0;
}
