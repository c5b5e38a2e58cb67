#include "cutting.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../node/random.h"
#include "../trust/sha256.h"

enum { page = 1024, scratch_bytes = 12 * 1024 };

burnt_facts facts = {.id = {(const uint8_t *)"mcu-1", 5}};
__asm__(".globl burnt\n.set burnt, facts");
board_facts test_board = {.name = "check", .arena_bytes = 64 * 1024};
// Changed at the start, before anything reads it: the compiler must not take it for the constant that it is to all others.
__asm__(".globl board\n.set board, test_board");

uint8_t running_slot;
static jmp_buf cut;
static void die(void) { longjmp(cut, 1); }
void board_alive(void) {}
void board_watch(bool on) { (void)on; }
uint8_t board_slot(void) { return running_slot; }
bool board_entropy(uint8_t *bytes, uint32_t count) {
  memset(bytes, 7, count);
  return true;
}

static uint64_t scratch[scratch_bytes / 8];
static uint8_t *flash;

uint8_t *make_flash(uint32_t bytes, uint8_t inbox_pages, uint16_t firmware_pages) {
  flash = (uint8_t *)host_flash_open(NULL, bytes, page, 8);
  test_board.flash = (board_flash){flash, bytes, page, 8, 4, inbox_pages, firmware_pages};
  host_flash_dies = die;
  return flash;
}

void fail(const char *why, code which) {
  printf("failed %s %s write %llu\n", why, code_text(which), (unsigned long long)host_flash_writes);
  exit(1);
}

void start(const update_story *of, held *in) {
  memset(in, 0, sizeof *in);
  code found = records_open(&in->store);
  if (found == code_ok) found = identity_open(in);
  if (found == code_ok) found = slots_open(&in->slots, &in->store);
  if (found == code_ok && of->open != NULL) found = of->open(in);
  if (found != code_ok) fail("start", found);
}

void send_whole(held *in, uint8_t what, span bytes, span digest, uint32_t size, span base) {
  static const char *const names[] = {"root", "directive", "release", "content"};
  enum { piece = 200 };
  transfer_offer offer;
  memset(&offer, 0, sizeof offer);
  offer.what = what;
  memcpy(offer.digest, digest.at, 32);
  offer.size = size;
  offer.wire_size = bytes.length;
  offer.is_patch = offer.has_base = base.length == 32;
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
  if (found != code_ok) fail(names[what], found);
}

void send_envelope(held *in, uint8_t what, span bytes) {
  uint8_t digest[32];
  sha256_of(bytes, digest);
  send_whole(in, what, bytes, span_of(digest, 32), bytes.length, (span){NULL, 0});
}

typedef struct {
  risen app;
  uint32_t directive, root;
} counters;

static counters count(const update_story *of, const held *in) {
  trust by = held_trust(in);
  return (counters){held_risen(in, of->app), by.directive.length > 0 ? number_of(by.directive.at, directive_version) : 0, number_of(by.root.at, root_version)};
}

/** What is there after a cut: whole, old or new, and no counter lower than it was. Answers whether it is the new one. */
static bool check(const update_story *of, const held *in, counters *before) {
  bool is_new = of->is_new(in);
  counters now = count(of, in);
  if (now.app.floor < before->app.floor || now.app.release < before->app.release || now.app.epoch < before->app.epoch || now.directive < before->directive ||
      now.root < before->root)
    fail("a counter fell", code_ok);
  *before = now;
  return is_new;
}

int cut_everywhere(const update_story *of) {
  static held in;
  uint8_t *kept = malloc(test_board.flash.bytes);
  memcpy(kept, flash, test_board.flash.bytes);
  // Not in registers, which a cut would put back.
  static counters first, seen;
  static uint32_t cuts, olds, news, again;
  start(of, &in);
  first = count(of, &in);
  for (;; cuts++) {
    memcpy(flash, kept, test_board.flash.bytes);
    seen = first;
    host_flash_writes = 0;
    host_flash_cut_at = cuts + 1;
    bool was_cut = setjmp(cut) != 0;
    if (!was_cut) {
      start(of, &in);
      of->update(&in);
      break;
    }
    // The power comes back, and goes again in what is done then.
    host_flash_writes = 0;
    host_flash_cut_at = 1 + cuts * 37 % 400;
    if (setjmp(cut) == 0) {
      start(of, &in);
      if (check(of, &in, &seen)) news++;
      else olds++;
      of->update(&in);
    } else again++;
    host_flash_cut_at = 0;
    for (int rounds = 0; rounds < of->rounds; rounds++) {
      start(of, &in);
      check(of, &in, &seen);
      of->update(&in);
    }
    start(of, &in);
    if (!check(of, &in, &seen) || in.firmware_trial) fail("the update didn't end", code_ok);
  }
  free(kept);
  printf("ok cuts %u old %u new %u again %u\n", cuts, olds, news, again);
  return 0;
}
