// The firmware's wire on a pseudo-terminal, as a board without anything above it: wire-peer LINK [NAME VALUE]…
//
//   LINK           where the terminal is to be found: a symbolic link, made anew
//   baud N         carry no more than N bits a second each way, ten for each byte; 0: as fast as may be
//   flip N         one bit in N comes wrong, each way; 0: none
//   seed N         of what comes wrong, and of incarnations
//   sink FILE      write what is taken there, whatever the channel
//   echo 1         offer what is taken back on its channel
//   say HEX        offer this on control whenever the line opens
//   payload N, places N, window N, rooms N    what the board takes, has for what it offers, and has room for (0: all places)
//
// Prints `ready`, and its counters when standard input ends, with which it ends itself.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../wire/wire.h"

enum { most_words = 1 << 16, chunk = 4096 };

static struct {
  const char *link, *sink, *say;
  uint32_t baud, flip, seed, echo, payload, places, window, rooms;
} given = {.seed = 1, .payload = 256, .places = 12, .window = 8};

static uint32_t arena[most_words];
static wire w;
static FILE *sink;
static uint64_t state;

static uint64_t next_number(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static uint32_t next_incarnation(void *context) {
  (void)context;
  return (uint32_t)(next_number() >> 16);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool read_arguments(int count, char **words) {
  if (count < 2 || count % 2 != 0) return false;
  given.link = words[1];
  for (int i = 2; i < count; i += 2) {
    const char *name = words[i];
    uint32_t value = (uint32_t)strtoul(words[i + 1], NULL, 10);
    if (strcmp(name, "baud") == 0) given.baud = value;
    else if (strcmp(name, "flip") == 0) given.flip = value;
    else if (strcmp(name, "seed") == 0) given.seed = value;
    else if (strcmp(name, "sink") == 0) given.sink = words[i + 1];
    else if (strcmp(name, "echo") == 0) given.echo = value;
    else if (strcmp(name, "say") == 0) given.say = words[i + 1];
    else if (strcmp(name, "payload") == 0) given.payload = value;
    else if (strcmp(name, "places") == 0) given.places = value;
    else if (strcmp(name, "window") == 0) given.window = value;
    else if (strcmp(name, "rooms") == 0) given.rooms = value;
    else return false;
  }
  return true;
}

/** The terminal's own end; the other is kept open as well, so that nobody's leaving ends it. */
static int open_terminal(void) {
  int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) return -1;
  const char *name = ptsname(terminal);
  int other = open(name, O_RDWR | O_NOCTTY);
  struct termios settings;
  if (other < 0 || tcgetattr(other, &settings) != 0) return -1;
  cfmakeraw(&settings);
  if (tcsetattr(other, TCSANOW, &settings) != 0) return -1;
  unlink(given.link);
  return symlink(name, given.link) == 0 ? terminal : -1;
}

/** Bits until the next one that comes wrong, each way. */
static double to_flip[2];

static void spoil(int way, uint8_t *bytes, size_t count) {
  if (given.flip == 0) return;
  to_flip[way] -= (double)count * 8;
  while (to_flip[way] < 0) {
    size_t bit = (size_t)((double)count * 8 + to_flip[way]);
    bytes[bit / 8 < count ? bit / 8 : count - 1] ^= (uint8_t)(1u << bit % 8);
    to_flip[way] += (double)(next_number() % (2 * (uint64_t)given.flip));
  }
}

static void take_all(void) {
  uint16_t length;
  const uint8_t *payload;
  for (uint8_t channel = 0; channel < wire_channels; channel++) {
    while ((payload = wire_peek(&w, channel, &length)) != NULL) {
      if (given.echo && !wire_offer(&w, channel, payload, length)) break;
      if (sink != NULL) fwrite(payload, 1, length, sink);
      wire_take(&w, channel);
    }
  }
}

/**
 * How many bytes may go by. A line goes on while this process waits for its turn, so what it missed is made up for; but what a line didn't carry because there was
 * nothing to carry is lost.
 */
static size_t may_pass(double *budget, double passed_ms) {
  double each_ms = given.baud / 10e3;
  *budget += passed_ms * each_ms;
  if (*budget > 500 * each_ms) *budget = 500 * each_ms;
  return given.baud == 0 || *budget > chunk ? chunk : (size_t)*budget;
}

static void passed(double *budget, size_t allowed, size_t count) {
  *budget = count < allowed ? 0 : *budget - (double)count;
}

/** The first word of each opening. */
static void say(void) {
  static uint32_t said;
  uint8_t bytes[chunk];
  uint16_t count = 0;
  if (given.say == NULL || !wire_is_open(&w) || said == w.counters.openings) return;
  said = w.counters.openings;
  for (unsigned byte; count < chunk && sscanf(given.say + 2 * count, "%2x", &byte) == 1; count++) bytes[count] = (uint8_t)byte;
  wire_offer(&w, wire_control, bytes, count);
}

static void print_counters(void) {
  const wire_counters *c = &w.counters;
  uint32_t dropped = 0;
  for (int why = 0; why < wire_drop_reasons; why++) dropped += c->dropped[why];
  printf("{\"openings\":%u,\"dropped\":%u,\"framesIn\":%u,\"framesOut\":%u,\"repeatsIn\":%u,\"repeatsOut\":%u,\"violations\":%u}\n", c->openings,
         dropped, c->frames_in, c->frames_out, c->repeats_in, c->repeats_out, c->violations);
}

static void run(int terminal) {
  static uint8_t in[chunk], out[chunk];
  size_t waiting = 0, sent = 0;
  double in_budget = 0, out_budget = 0, last = now_ms();
  for (;;) {
    double now = now_ms();
    size_t may_read = may_pass(&in_budget, now - last), may_write = may_pass(&out_budget, now - last);
    last = now;
    bool moved = false;
    ssize_t got = may_read > 0 ? read(terminal, in, may_read) : 0;
    if (may_read > 0) passed(&in_budget, may_read, got > 0 ? (size_t)got : 0);
    if (got > 0) {
      moved = true;
      spoil(0, in, (size_t)got);
      wire_feed(&w, in, (size_t)got, (uint32_t)now);
      say();
      take_all();
    }
    if (sent == waiting && may_write > 0) {
      sent = 0;
      waiting = wire_poll(&w, out, may_write, (uint32_t)now);
      passed(&out_budget, may_write, waiting);
      spoil(1, out, waiting);
    }
    if (sent < waiting) {
      ssize_t put = write(terminal, out + sent, waiting - sent);
      if (put > 0) moved = true, sent += (size_t)put;
    }
    if (given.echo) take_all();
    if (moved && given.baud == 0) continue;
    struct pollfd watched[2] = {{STDIN_FILENO, POLLIN, 0}, {terminal, (short)((given.baud == 0 ? POLLIN : 0) | (sent < waiting ? POLLOUT : 0)), 0}};
    uint32_t wake = wire_wake(&w, (uint32_t)now);
    if (poll(watched, 2, given.baud != 0 ? 1 : wake < 1000 ? (int)wake + 1 : 1000) < 0 && errno != EINTR) return;
    char byte;
    if (watched[0].revents != 0 && read(STDIN_FILENO, &byte, 1) <= 0) return;
  }
}

int main(int count, char **words) {
  if (!read_arguments(count, words)) {
    fprintf(stderr, "usage: wire-peer LINK [baud N] [flip N] [seed N] [sink FILE] [echo 1] [say HEX] [payload N] [places N] [window N] [rooms N]\n");
    return 2;
  }
  state = 0x9e3779b97f4a7c15u ^ given.seed;
  wire_config config = {
      .max_payload = (uint16_t)given.payload, .in_places = (uint8_t)given.places, .in_rooms = (uint8_t)(given.rooms > 0 ? given.rooms : given.places), .window = (uint8_t)given.window,
      .out_payload = (uint16_t)given.payload, .out_places = (uint8_t)given.places, .out_bytes = (uint16_t)(given.payload * given.places),
      .arena = arena, .arena_words = most_words, .random = next_incarnation,
  };
  if (given.sink != NULL && (sink = fopen(given.sink, "wb")) == NULL) return perror(given.sink), 1;
  int terminal = open_terminal();
  if (terminal < 0) return perror(given.link), 1;
  if (!wire_init(&w, &config, (uint32_t)now_ms())) return fprintf(stderr, "wire-peer: a board can't have these sizes\n"), 2;
  for (int way = 0; way < 2; way++) to_flip[way] = given.flip;
  printf("ready\n");
  fflush(stdout);
  run(terminal);
  if (sink != NULL) fclose(sink);
  unlink(given.link);
  print_counters();
  return 0;
}
