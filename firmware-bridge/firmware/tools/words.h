// Questions of a test to a tool: one a line, a word and then bytes in hex.
#ifndef HYPHA_WORDS_H
#define HYPHA_WORDS_H

#include "../base/bytes.h"

enum { most_words = 40 };

/** The line's first word, and the bytes behind it; "-" is none. */
extern const char *words_what;
extern span words[most_words];
extern int words_count;

/** Reads the next line; false at the end. What the last one gave is freed. */
bool words_read(void);
void words_print(span bytes);

#endif
