// Lets a test ask the firmware's trust whatever it likes: one question a line, words in hex, one answer a line.
#include <stdio.h>
#include <stdlib.h>

#include "../trust/ed25519.h"
#include "../trust/rules.h"
#include "../trust/sha256.h"
#include "words.h"

static void answer(code which, span bytes) {
  printf("%s ", code_text(which));
  if (which == code_ok) words_print(bytes);
  printf("\n");
}

static trust held_by(int at, uint8_t digest[32]) {
  trust held = {.node = words[at], .root = words[at + 1]};
  // The envelope of the directive that is held.
  if (words[at + 2].length > 0) {
    envelope opened;
    if (cose_open(words[at + 2], kind_directive, 65536, &opened) != code_ok) abort();
    held.directive = opened.payload;
    sha256_of(words[at + 2], digest);
    held.directive_digest = digest;
  }
  return held;
}

static void ask(const char *what) {
  uint8_t digest[32];
  span payload = {NULL, 0};
  if (strcmp(what, "sha256") == 0) {
    sha256_of(words[0], digest);
    answer(code_ok, span_of(digest, 32));
  } else if (strcmp(what, "hmac") == 0) {
    hmac mac;
    hmac_begin(&mac, words[0]);
    hmac_add(&mac, words[1].at, words[1].length);
    hmac_end(&mac, digest);
    answer(code_ok, span_of(digest, 32));
  } else if (strcmp(what, "verify") == 0) {
    printf("%s\n", ed25519_verifies(words[0].at, words[2].at, &words[1], 1) ? "yes" : "no");
  } else if (strcmp(what, "public") == 0) {
    ed25519_public(digest, words[0].at);
    answer(code_ok, span_of(digest, 32));
  } else if (strcmp(what, "shared") == 0) {
    printf(x25519_shared(digest, words[0].at, words[1].at) ? "ok " : "no ");
    words_print(span_of(digest, 32));
    printf("\n");
  } else if (strcmp(what, "cbor") == 0) {
    answer(cbor_check(words[0], CBOR_NO_TAG), payload);
  } else if (strcmp(what, "envelope") == 0) {
    // kind, threshold, envelope, keys
    envelope opened;
    role by = {words[1].at[0], 0, {NULL}};
    for (int i = 3; i < words_count; i++) by.keys[by.count++] = words[i].at;
    code found = cose_open(words[2], (envelope_kind)words[0].at[0], 16384, &opened);
    if (found == code_ok) found = cose_threshold(&opened, &by);
    answer(found, opened.payload);
  } else if (strcmp(what, "root") == 0) {
    trust held = held_by(0, digest);
    root_change change = {0};
    code found = trust_root(&held, words[3], 12288, &payload, &change);
    printf("%s %d%d%d\n", code_text(found), change.same, change.forget_directive, change.forget_floors);
  } else if (strcmp(what, "directive") == 0) {
    trust held = held_by(0, digest);
    bool same = false;
    code found = trust_directive(&held, words[3], 60000, &payload, &same);
    printf("%s %d\n", code_text(found), same);
  } else if (strcmp(what, "release") == 0) {
    // What is held, the envelope, the floor in four bytes: by the section that names this envelope, or else the first one.
    trust held = held_by(0, digest);
    uint8_t named[32];
    sha256_of(words[3], named);
    cbor section = trust_section(&held, span_of(named, 32));
    if (!cbor_there(section)) section = cbor_first(cbor_get(held.directive.at, directive_sections));
    answer(trust_release(&held, section, words[3], 73728, load32(words[4].at), &payload), payload);
  } else {
    printf("unknown question\n");
  }
}

int main(void) {
  while (words_read()) {
    ask(words_what);
    fflush(stdout);
  }
  return 0;
}
