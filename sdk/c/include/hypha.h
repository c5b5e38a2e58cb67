// What every C module of Hypha has: the types that its bindings share, memory, and a little text. No C library is needed.
#ifndef HYPHA_H
#define HYPHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text and bytes with their length; text is UTF-8 and has no zero at its end.
typedef struct {
  char *ptr;
  size_t len;
} hypha_string_t;

typedef struct {
  uint8_t *ptr;
  size_t len;
} hypha_bytes_t;

// Text from a literal: HYPHA_STR("frost")
#define HYPHA_STR(literal) ((hypha_string_t){(char *)("" literal), sizeof(literal) - 1})

// Two kinds of memory, both from the arena whose size is `heap` in hypha.toml. It never grows; where it is full the module traps.
//
// What the host hands to a module (parameters, results) and what hypha_scratch returns is freed when the turn ends. What hypha_alloc
// returns stays until hypha_free.
void *hypha_alloc(size_t size);
void hypha_free(void *pointer);
void *hypha_scratch(size_t size);

// Called by the bindings when an export returns: frees what belonged to the turn.
void hypha_end_turn(void);

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *at, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

// Text of a C string, which is not copied.
static inline hypha_string_t hypha_text(const char *text) { return (hypha_string_t){(char *)text, strlen(text)}; }

static inline hypha_bytes_t hypha_bytes(hypha_string_t text) { return (hypha_bytes_t){(uint8_t *)text.ptr, text.len}; }

bool hypha_equal(hypha_string_t a, hypha_string_t b);

// Text that lives until the turn ends: each %s takes a hypha_string_t *, %d an int64_t *, %f a double * (up to 6 digits after the point).
hypha_string_t hypha_format(const char *form, const void *const *values);
#define HYPHA_FORMAT(form, ...) hypha_format((form), (const void *const[]){__VA_ARGS__})

// The number that begins at a place in a text; false where there is none.
bool hypha_number(hypha_string_t text, double *number);

// The number after "key": in a JSON object; false where there is none. Enough for flat objects; it is no JSON parser.
bool hypha_json_number(hypha_bytes_t json, hypha_string_t key, double *number);

#endif
