// The run-time part of hypha.h. The build defines HYPHA_HEAP_BYTES.
#include "hypha.h"

// Memory: blocks lie one after another in the arena, each behind a word with its payload's size and two flags. Freeing sets a flag;
// allocating goes on from where it last ended (next fit) and joins the free blocks that it comes by.

#define HEADER ((size_t)16)
#define FREE ((size_t)1)
#define SCRATCH ((size_t)2)
#define SIZE(block) ((block)->info & ~(size_t)3)

typedef struct block {
  size_t info;
  // Scratch blocks are chained, so that the end of a turn needs no walk through the arena.
  struct block *next_scratch;
  size_t unused[2];
} block_t;

static _Alignas(16) uint8_t arena[HYPHA_HEAP_BYTES];
static block_t *rover;
static block_t *scratch_chain;

static block_t *after(block_t *block) { return (block_t *)((uint8_t *)block + HEADER + SIZE(block)); }
static bool at_end(const block_t *block) { return (const uint8_t *)block >= arena + HYPHA_HEAP_BYTES; }

static void join(block_t *block) {
  for (block_t *next = after(block); !at_end(next) && (next->info & FREE); next = after(block)) {
    if (next == rover) rover = block;
    block->info += HEADER + SIZE(next);
  }
}

static void *take(block_t *block, size_t need, size_t flag) {
  size_t rest = SIZE(block) - need;
  if (rest >= HEADER + 16) {
    block->info = need | flag;
    after(block)->info = (rest - HEADER) | FREE;
  } else {
    block->info = SIZE(block) | flag;
  }
  rover = at_end(after(block)) ? (block_t *)arena : after(block);
  return (uint8_t *)block + HEADER;
}

static void *allocate(size_t size, size_t flag) {
  if (rover == NULL) {
    rover = (block_t *)arena;
    rover->info = (HYPHA_HEAP_BYTES - HEADER) | FREE;
  }
  if (size > HYPHA_HEAP_BYTES) __builtin_trap();
  size_t need = (size + 15) & ~(size_t)15;
  block_t *block = rover;
  for (int passes = 0; passes < 2;) {
    if (block->info & FREE) {
      join(block);
      if (SIZE(block) >= need) return take(block, need, flag);
    }
    block = after(block);
    if (at_end(block)) {
      block = (block_t *)arena;
      passes++;
    }
  }
  // The heap is full: `heap` in hypha.toml makes it larger.
  __builtin_trap();
}

void *hypha_alloc(size_t size) { return allocate(size, 0); }

void hypha_free(void *pointer) {
  if (pointer != NULL) ((block_t *)((uint8_t *)pointer - HEADER))->info |= FREE;
}

void *hypha_scratch(size_t size) {
  void *pointer = allocate(size, SCRATCH);
  block_t *block = (block_t *)((uint8_t *)pointer - HEADER);
  block->next_scratch = scratch_chain;
  scratch_chain = block;
  return pointer;
}

void hypha_end_turn(void) {
  for (block_t *block = scratch_chain; block != NULL; block = block->next_scratch) block->info |= FREE;
  scratch_chain = NULL;
}

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  if (size == 0) return (void *)align;
  void *pointer = hypha_scratch(size);
  if (old != NULL) memcpy(pointer, old, old_size < size ? old_size : size);
  return pointer;
}

// A loop here would be compiled to a call of itself: these are the bulk memory instructions, written out.
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  __asm__("local.get %0\n local.get %1\n local.get %2\n memory.copy 0, 0" ::"r"(to), "r"(from), "r"(size) : "memory");
  return to;
}

void *memmove(void *to, const void *from, size_t size) { return memcpy(to, from, size); }

void *memset(void *at, int byte, size_t size) {
  __asm__("local.get %0\n local.get %1\n local.get %2\n memory.fill 0" ::"r"(at), "r"(byte), "r"(size) : "memory");
  return at;
}

int memcmp(const void *a, const void *b, size_t size) {
  const uint8_t *left = a, *right = b;
  for (size_t index = 0; index < size; index++) {
    if (left[index] != right[index]) return left[index] - right[index];
  }
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

bool hypha_equal(hypha_string_t a, hypha_string_t b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

static size_t put_whole(char *to, uint64_t number) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  for (size_t index = 0; index < count; index++) to[index] = digits[count - 1 - index];
  return count;
}

static size_t put_number(char *to, double number) {
  if (number != number) return (memcpy(to, "nan", 3), 3);
  size_t at = 0;
  if (number < 0) {
    to[at++] = '-';
    number = -number;
  }
  if (number >= 1e18) return (memcpy(to + at, "inf", 3), at + 3);
  uint64_t millionths = (uint64_t)((number - (double)(uint64_t)number) * 1e6 + 0.5);
  at += put_whole(to + at, (uint64_t)number + (millionths == 1000000));
  millionths %= 1000000;
  if (millionths == 0) return at;
  to[at++] = '.';
  for (uint64_t unit = 100000; millionths > 0; unit /= 10) {
    to[at++] = (char)('0' + millionths / unit);
    millionths %= unit;
  }
  return at;
}

hypha_string_t hypha_format(const char *form, const void *const *values) {
  size_t room = strlen(form);
  const void *const *value = values;
  for (const char *at = form; *at; at++) {
    if (*at != '%') continue;
    at++;
    room += *at == 's' ? ((const hypha_string_t *)*value)->len : 32;
    value++;
  }
  hypha_string_t text = {hypha_scratch(room), 0};
  value = values;
  for (const char *at = form; *at; at++) {
    if (*at != '%') {
      text.ptr[text.len++] = *at;
      continue;
    }
    at++;
    if (*at == 's') {
      const hypha_string_t *part = *value;
      memcpy(text.ptr + text.len, part->ptr, part->len);
      text.len += part->len;
    } else if (*at == 'd') {
      int64_t number = *(const int64_t *)*value;
      if (number < 0) text.ptr[text.len++] = '-';
      text.len += put_whole(text.ptr + text.len, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    } else {
      text.len += put_number(text.ptr + text.len, *(const double *)*value);
    }
    value++;
  }
  return text;
}

bool hypha_number(hypha_string_t text, double *number) {
  size_t at = 0;
  while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t')) at++;
  bool negative = at < text.len && text.ptr[at] == '-';
  if (negative) at++;
  size_t first = at;
  double value = 0;
  for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) value = value * 10 + (text.ptr[at] - '0');
  if (at == first) return false;
  if (at < text.len && text.ptr[at] == '.') {
    double unit = 0.1;
    for (at++; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++, unit /= 10) {
      value += (text.ptr[at] - '0') * unit;
    }
  }
  if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
    bool down = ++at < text.len && text.ptr[at] == '-';
    if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+')) at++;
    int exponent = 0;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && exponent < 400; at++) {
      exponent = exponent * 10 + (text.ptr[at] - '0');
    }
    while (exponent-- > 0) value = down ? value / 10 : value * 10;
  }
  *number = negative ? -value : value;
  return true;
}

bool hypha_json_number(hypha_bytes_t json, hypha_string_t key, double *number) {
  for (size_t at = 0; at + key.len + 2 <= json.len; at++) {
    if (json.ptr[at] != '"' || json.ptr[at + key.len + 1] != '"') continue;
    if (memcmp(json.ptr + at + 1, key.ptr, key.len) != 0) continue;
    size_t colon = at + key.len + 2;
    while (colon < json.len && json.ptr[colon] == ' ') colon++;
    if (colon == json.len || json.ptr[colon] != ':') continue;
    return hypha_number((hypha_string_t){(char *)json.ptr + colon + 1, json.len - colon - 1}, number);
  }
  return false;
}
