// Applies patches of the small profile as a board does: one a line, old file and patch in hex, and how many bytes are given at a time.
#include <stdio.h>
#include <stdlib.h>

#include "../update/patch.h"
#include "words.h"

static bool emit(void *context, uint8_t byte) {
  (void)context;
  printf("%02x", byte);
  return true;
}

static code apply(span old, span bytes, uint32_t at_a_time) {
  uint32_t needed = bytes.length < patch_head_bytes ? 0 : patch_state_bytes(bytes.at);
  if (needed == 0 || needed > patch_most_state) return code_delta_malformed;
  void *state = malloc(needed);
  patch *p = patch_begin(state, bytes.at, old, emit, NULL);
  code found = code_ok;
  for (uint32_t at = patch_head_bytes; found == code_ok && at < bytes.length; at += at_a_time)
    found = patch_add(p, span_of(bytes.at + at, bytes.length - at < at_a_time ? bytes.length - at : at_a_time));
  if (found == code_ok) found = patch_end(p);
  free(state);
  return found;
}

int main(void) {
  while (words_read()) {
    code found = apply(words[0], words[1], load32(words[2].at));
    printf(" %s\n", code_text(found));
    fflush(stdout);
  }
  return 0;
}
