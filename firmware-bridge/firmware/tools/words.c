#include "words.h"

#include <stdio.h>
#include <stdlib.h>

const char *words_what;
span words[most_words];
int words_count;

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/** Exactly as many bytes as there are, so that the sanitizer sees one read beyond. */
static span from_hex(const char *text) {
  uint32_t length = strcmp(text, "-") == 0 ? 0 : (uint32_t)strlen(text) / 2;
  uint8_t *bytes = malloc(length > 0 ? length : 1);
  for (uint32_t i = 0; i < length; i++) bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
  return (span){bytes, length};
}

bool words_read(void) {
  static char *line;
  static size_t room;
  for (int i = 0; i < words_count; i++) free((void *)words[i].at);
  words_count = 0;
  if (getline(&line, &room, stdin) <= 0) {
    free(line);
    return false;
  }
  words_what = strtok(line, " \n");
  for (char *word; words_count < most_words && (word = strtok(NULL, " \n")) != NULL;) words[words_count++] = from_hex(word);
  if (words_what == NULL) words_what = "";
  return true;
}

void words_print(span bytes) {
  for (uint32_t i = 0; i < bytes.length; i++) printf("%02x", bytes.at[i]);
}
