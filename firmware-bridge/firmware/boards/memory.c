#include <stdint.h>
#include <string.h>

void *memmove(void *to, const void *from, size_t count) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if (out <= in || out >= in + count)
    while (count-- > 0) *out++ = *in++;
  else
    while (count-- > 0) out[count] = in[count];
  return to;
}

void *memcpy(void *to, const void *from, size_t count) { return memmove(to, from, count); }

void *memset(void *at, int value, size_t count) {
  for (uint8_t *out = at; count > 0; count--) *out++ = (uint8_t)value;
  return at;
}

int memcmp(const void *a, const void *b, size_t count) {
  const uint8_t *x = a, *y = b;
  for (; count > 0; count--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  return length;
}
