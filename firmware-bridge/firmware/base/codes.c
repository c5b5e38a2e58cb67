#include "codes.h"

#define CODE_TEXT(name, text) text "\0"
// One string after the other: half of what a table of pointers takes.
static const char texts[] = "ok\0" CODES(CODE_TEXT);

const char *code_text(code which) {
  const char *at = texts;
  for (int i = 0; i < (int)which; i++)
    while (*at++ != 0) continue;
  return at;
}
