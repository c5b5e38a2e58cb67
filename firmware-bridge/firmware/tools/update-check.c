// Cuts the power at every single write of an update, and once more in what follows: what is there must always be the old or the new, whole, with counters that never fell.
//
// Words: root metadata's payload; then of the old and of the new push: directive, release, content as sent, its digest, its size, and the base's digest of a patch or "-".
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../boards/host_flash.h"
#include "../burnt.h"
#include "../node/random.h"
#include "../trust/sha256.h"
#include "../wasm/wasm.h"
#include "words.h"

enum { page = 1024, flash_bytes = 48 * page, scratch_bytes = 12 * 1024 };

burnt_facts facts = {.id = {(const uint8_t *)"mcu-1", 5}};
__asm__(".globl burnt\n.set burnt, facts");
board_facts test_board = {.name = "check", .arena_bytes = 64 * 1024};
// Changed at the start, before anything reads it: the compiler must not take it for the constant that it is to all others.
__asm__(".globl board\n.set board, test_board");

static jmp_buf cut;
static void die(void) { longjmp(cut, 1); }
void board_alive(void) {}
void board_watch(bool on) { (void)on; }
uint8_t board_slot(void) { return 0; }
bool board_entropy(uint8_t *bytes, uint32_t count) {
  memset(bytes, 7, count);
  return true;
}

static uint64_t scratch[scratch_bytes / 8];

typedef struct {
  span directive, release, content, digest, base;
  uint32_t size;
} push;

static push push_at(int at) {
  return (push){words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 5], load32(words[at + 4].at)};
}

static void fail(const char *why, code which) {
  printf("failed %s %s write %llu\n", why, code_text(which), (unsigned long long)host_flash_writes);
  exit(1);
}

/** As the board does at its start. */
static void start(held *in) {
  memset(in, 0, sizeof *in);
  code found = records_open(&in->store);
  if (found == code_ok) found = identity_open(in);
  if (found == code_ok) found = slots_open(&in->slots, &in->store);
  if (found != code_ok) fail("start", found);
}

static void send(held *in, uint8_t what, span bytes, span digest, uint32_t size, span base) {
  enum { piece = 200 };
  transfer_offer offer;
  memset(&offer, 0, sizeof offer);
  offer.what = what;
  memcpy(offer.digest, digest.at, 32);
  offer.size = size;
  offer.wire_size = bytes.length;
  offer.has_base = base.length == 32;
  offer.is_patch = offer.has_base;
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
  if (found != code_ok) fail(what == what_content ? "content" : what == what_release ? "release" : "directive", found);
}

static void send_envelope(held *in, uint8_t what, span bytes) {
  uint8_t digest[32];
  sha256_of(bytes, digest);
  send(in, what, bytes, span_of(digest, 32), bytes.length, (span){NULL, 0});
}

static bool runs(const held *in, span digest) {
  const slot_facts *active = in->slots.active == no_slot ? NULL : &in->slots.slot[in->slots.active];
  return active != NULL && memcmp(active->digest, digest.at, 32) == 0;
}

/** All of an update that isn't done yet. */
static void update(held *in, const push *to) {
  send_envelope(in, what_directive, to->directive);
  if (!runs(in, to->digest)) {
    send_envelope(in, what_release, to->release);
    send(in, what_content, to->content, to->digest, to->size, to->base);
    if (slots_activate(&in->slots, &in->store) != code_ok) fail("activate", code_ok);
  }
  if (slots_active(&in->slots)->status == slot_trial && slots_confirm(&in->slots, &in->store) != code_ok) fail("confirm", code_ok);
}

typedef struct {
  risen app;
  uint64_t directive, root;
} counters;

static counters count(const held *in) {
  trust by = held_trust(in);
  return (counters){held_risen(in, SPAN_TEXT("greenhouse")), by.directive.length > 0 ? number_of(by.directive.at, directive_version) : 0, number_of(by.root.at, root_version)};
}

/** What is there after a cut: whole, old or new, and no counter lower than it was. Answers whether it is the new one. */
static bool check(const held *in, const push *old, const push *now, counters *before) {
  bool is_new = runs(in, now->digest);
  if (!is_new && !runs(in, old->digest)) fail("neither old nor new", code_ok);
  uint8_t digest[32];
  uint8_t which = in->slots.active;
  sha256_of(slot_content(&in->slots, which), digest);
  if (memcmp(digest, (is_new ? now : old)->digest.at, 32) != 0) fail("not whole", code_ok);
  const slot_facts *slot = &in->slots.slot[which];
  const uint8_t *base = flash_at(flash_slot(which).offset);
  struct wasm_module module;
  if (wasm_open(&module, base + slot->at, slot->bytes, base + slot->table_at, slot->table_bytes) != wasm_ok) fail("side table", code_ok);
  if (slot_release(&in->slots, which).length == 0) fail("its release is gone", code_ok);
  counters after = count(in);
  if (after.app.floor < before->app.floor || after.app.release < before->app.release || after.app.epoch < before->app.epoch || after.directive < before->directive ||
      after.root < before->root)
    fail("a counter fell", code_ok);
  *before = after;
  return is_new;
}

int main(void) {
  static held in;
  if (!words_read()) return 1;
  facts.root = words[0];
  push old = push_at(1), now = push_at(7);
  uint8_t *flash = (uint8_t *)host_flash_open(NULL, flash_bytes, page, 8);
  test_board.flash = (board_flash){flash, flash_bytes, page, 8, 4, 2};
  host_flash_dies = die;
  start(&in);
  update(&in, &old);
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
      update(&in, &now);
      break;
    }
    // The power comes back, and goes again in what is done then.
    host_flash_writes = 0;
    host_flash_cut_at = 1 + cuts * 37 % 400;
    if (setjmp(cut) == 0) {
      start(&in);
      if (check(&in, &old, &now, &seen)) news++;
      else olds++;
      update(&in, &now);
    } else again++;
    host_flash_cut_at = 0;
    start(&in);
    check(&in, &old, &now, &seen);
    update(&in, &now);
    start(&in);
    if (!check(&in, &old, &now, &seen)) fail("the update didn't end", code_ok);
  }
  free(kept);
  printf("ok cuts %u old %u new %u again %u\n", cuts, olds, news, again);
  return 0;
}
