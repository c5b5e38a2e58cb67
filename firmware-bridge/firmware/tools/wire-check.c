// Lets a test drive the firmware's wire on a clock of its own: one question a line, bytes in hex, one answer a line.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../wire/crc32.h"
#include "../wire/internal.h"

enum { most_words = 9, most_bytes = 1 << 17 };

static char *words[most_words];
static uint8_t bytes[most_bytes];
static wire w;
static uint32_t *arena;
static uint32_t seed;

static uint32_t number(int word) { return (uint32_t)strtoul(words[word], NULL, 10); }

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static uint32_t from_hex(int word) {
  const char *text = words[word];
  uint32_t count = 0;
  for (; text[0] != '-' && text[0] != 0 && count < most_bytes; text += 2) bytes[count++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
  return count;
}

static void print_hex(const uint8_t *at, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) printf("%02x", at[i]);
}

static uint32_t next_random(void *context) {
  (void)context;
  return seed = seed * 1664525u + 1013904223u;
}

/** new SEED MAX_PAYLOAD IN_PLACES WINDOW OUT_PAYLOAD OUT_PLACES NOW [IN_ROOMS]: a board that has just started; with a room for each place where none are given. */
static bool start(void) {
  wire_config c = {
      .max_payload = (uint16_t)number(2), .in_places = (uint8_t)number(3), .in_rooms = (uint8_t)number(words[8][0] != '-' ? 8 : 3), .window = (uint8_t)number(4),
      .out_payload = (uint16_t)number(5), .out_places = (uint8_t)number(6), .random = next_random,
  };
  seed = number(1);
  free(arena);
  c.out_bytes = (uint16_t)(c.out_places * c.out_payload);
  c.arena_words = WIRE_ARENA_WORDS(c.max_payload, c.in_rooms, c.out_places, c.out_bytes);
  /* Exactly as much as is asked for, so that the sanitizer sees one byte beyond. */
  c.arena = arena = malloc(4 * c.arena_words);
  memset(arena, 0xa5, 4 * c.arena_words);
  return wire_init(&w, &c, number(7));
}

/** What is read from a line: frame HEX. */
static void print_frames(uint32_t count) {
  static const char *const reasons[] = {"too-long", "cut", "too-short", "crc", "length", "kind", "fields"};
  wire_counters before = w.counters;
  for (uint32_t i = 0; i < count; i++) {
    frame f;
    bool came = unstuff(&w, bytes[i], &f);
    if (came && f.kind == kind_hello && !heard_hello(&w, &f, 0)) came = false, w.counters.dropped[wire_bad_fields]++;
    if (came && f.kind == kind_reset && !heard_reset(&w, &f, 0)) came = false, w.counters.dropped[wire_bad_fields]++;
    if (came) {
      printf("%u %u %u ", f.kind, f.channel, f.number);
      print_hex(f.payload, f.length);
      printf(";");
    }
    for (int why = 0; why < wire_drop_reasons; why++) {
      if (w.counters.dropped[why] != before.dropped[why]) printf("bad %s;", reasons[why]);
    }
    before = w.counters;
  }
}

static void print_counters(void) {
  const wire_counters *c = &w.counters;
  uint32_t dropped = 0;
  for (int why = 0; why < wire_drop_reasons; why++) dropped += c->dropped[why];
  printf("%u %u %u %u %u %u %u", c->openings, dropped, c->frames_in, c->frames_out, c->repeats_in, c->repeats_out, c->violations);
}

/** Any bytes as they are stuffed: cobs HEX. Those of a frame lie in three pieces. */
static void print_stuffed(uint32_t count) {
  if (count < wire_overhead) return;
  memcpy(w.head, bytes, head_bytes);
  memcpy(w.tail, bytes + count - crc_bytes, crc_bytes);
  start_frame(&w, 0, 0, 0, bytes + head_bytes, (uint16_t)(count - wire_overhead));
  memcpy(w.head, bytes, head_bytes);
  memcpy(w.tail, bytes + count - crc_bytes, crc_bytes);
  while (is_sending(&w)) printf("%02x", stuffed(&w));
}

static void answer(void) {
  const char *what = words[0];
  uint16_t length = 0;
  if (strcmp(what, "crc") == 0) printf("%08x", crc32_end(crc32_step(crc32_begin, bytes, from_hex(1))));
  else if (strcmp(what, "cobs") == 0) print_stuffed(from_hex(1));
  else if (strcmp(what, "uncobs") == 0) {
    frame f;
    uint32_t count = from_hex(1);
    for (uint32_t i = 0; i < count; i++) unstuff(&w, bytes[i], &f);
    print_hex(in_place(&w, w.into), w.got);
    unstuff(&w, 0, &f);
  } else if (strcmp(what, "frame") == 0) print_frames(from_hex(1));
  else if (strcmp(what, "send") == 0) {
    start_frame(&w, (uint8_t)number(1), (uint8_t)number(2), (uint16_t)number(3), bytes, (uint16_t)from_hex(4));
    while (is_sending(&w)) printf("%02x", stuffed(&w));
  } else if (strcmp(what, "new") == 0) printf("%d", start());
  else if (strcmp(what, "feed") == 0) wire_feed(&w, bytes, from_hex(2), number(1));
  else if (strcmp(what, "poll") == 0) print_hex(bytes, (uint32_t)wire_poll(&w, bytes, number(2), number(1)));
  else if (strcmp(what, "offer") == 0) printf("%d", wire_offer(&w, (uint8_t)number(1), bytes, (uint16_t)from_hex(2)));
  else if (strcmp(what, "take") == 0) {
    const uint8_t *payload = wire_peek(&w, (uint8_t)number(1), &length);
    if (payload == NULL) printf("none");
    else print_hex(payload, length);
    wire_take(&w, (uint8_t)number(1));
  } else if (strcmp(what, "reset") == 0) wire_reset(&w, (uint8_t)number(1), number(2));
  else if (strcmp(what, "counters") == 0) print_counters();
  else printf("unknown");
}

int main(void) {
  static char line[2 * most_bytes + 100];
  while (fgets(line, sizeof line, stdin) != NULL) {
    int count = 0;
    for (char *word = strtok(line, " \n"); word != NULL && count < most_words; word = strtok(NULL, " \n")) words[count++] = word;
    for (int i = count; i < most_words; i++) words[i] = "-";
    if (strcmp(words[0], "feed") == 0 || strcmp(words[0], "poll") == 0) {
      uint32_t now = number(1);
      answer();
      /* What a driver of the line has to know next. */
      printf(" %u %d %u\n", wire_wake(&w, now), wire_is_open(&w), w.counters.openings);
    } else {
      answer();
      printf("\n");
    }
    fflush(stdout);
  }
  free(arena);
  return 0;
}
