// Cuts the power at every single write of an update of a module: what is there must always be the old or the new, whole, with counters that never fell.
//
// Words: root metadata's payload; then of the old and of the new push: directive, release, content as sent, its digest, its size, and the base's digest of a patch or "-".
#include "../trust/sha256.h"
#include "../wasm/wasm.h"
#include "cutting.h"
#include "words.h"

enum { flash_bytes = 48 * 1024 };

typedef struct {
  span directive, release, content, digest, base;
  uint32_t size;
} push;

static push old, new, *to;

static push push_at(int at) {
  return (push){words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 5], load32(words[at + 4].at)};
}

static bool runs(const held *in, span digest) {
  const slot_facts *active = in->slots.active == no_slot ? NULL : &in->slots.slot[in->slots.active];
  return active != NULL && memcmp(active->digest, digest.at, 32) == 0;
}

static void update(held *in) {
  send_envelope(in, what_directive, to->directive);
  if (!runs(in, to->digest)) {
    send_envelope(in, what_release, to->release);
    send_whole(in, what_content, to->content, to->digest, to->size, to->base);
    if (slots_activate(&in->slots, &in->store) != code_ok) fail("activate", code_ok);
  }
  if (slots_active(&in->slots)->status == slot_trial && slots_confirm(&in->slots, &in->store) != code_ok) fail("confirm", code_ok);
}

static bool is_new(const held *in) {
  bool found = runs(in, new.digest);
  if (!found && !runs(in, old.digest)) fail("neither old nor new", code_ok);
  uint8_t digest[32];
  uint8_t which = in->slots.active;
  sha256_of(slot_content(&in->slots, which), digest);
  if (memcmp(digest, (found ? new : old).digest.at, 32) != 0) fail("not whole", code_ok);
  const slot_facts *slot = &in->slots.slot[which];
  const uint8_t *base = flash_at(flash_slot(which).offset);
  struct wasm_module module;
  if (wasm_open(&module, base + slot->at, slot->bytes, base + slot->table_at, slot->table_bytes) != wasm_ok) fail("side table", code_ok);
  if (slot_release(&in->slots, which).length == 0) fail("its release is gone", code_ok);
  return found;
}

int main(void) {
  const update_story story = {SPAN_TEXT("greenhouse"), NULL, update, is_new, 1};
  static held in;
  if (!words_read()) return 1;
  facts.root = words[0];
  old = push_at(1), new = push_at(7);
  make_flash(flash_bytes, 2, 0);
  start(&story, &in);
  to = &old;
  update(&in);
  to = &new;
  return cut_everywhere(&story);
}
