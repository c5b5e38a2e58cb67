// What the firmware uses of the standard library, and the compiler calls by itself: boards without one have it from memory.c.
#ifndef HYPHA_STRING_H
#define HYPHA_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *at, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);

#endif
