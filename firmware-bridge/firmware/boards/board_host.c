// This machine as a board: a pseudo-terminal as the wire, a file as flash, power cuts on request.
//
//   board-host [--flash FILE] [--pty LINK] [--cut-at N] [--hurry N] [--sensor NAME=VALUE]…
//
// This program stands for what a board is flashed with: it is the boot part, and the first firmware in slot A. A firmware that came over the line is a program too: it lies in
// its slot in the flash file with its head before it, and is run in place of this one where the boot part's record says so.
//
// --pty      the wire is a pseudo-terminal with a symbolic link to it at LINK; without it, standard input and output
// --hurry    the board's clock goes N times as fast
// --cut-at   the power goes in the write to flash with this number, which stays half done; the process then ends with 137
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../base/bytes.h"
#include "../wasm/host.h"
#include "host_boot.h"
#include "host_flash.h"

enum { arena_bytes = 24 * 1024, data_bytes = 64 * 1024, page = 1024, unit = 8, most_things = 8, firmware_pages = 384 };
enum { flash_bytes = data_bytes + (2 * firmware_pages + 2) * page };

static uint64_t arena[arena_bytes / 8];
static struct {
  char name[64];
  double value;
} values[most_things];
static board_thing sensors[most_things];
static int wire_in = 0, wire_out = 1;
static const char *pty_link;

/* Of the sensor that is asked: each has a function of its own. */
#define SENSOR(i)                       \
  static int read_##i(double *value) {  \
    *value = values[i].value;           \
    return host_sensor_ok;              \
  }
SENSOR(0) SENSOR(1) SENSOR(2) SENSOR(3) SENSOR(4) SENSOR(5) SENSOR(6) SENSOR(7)
static int (*const readers[most_things])(double *) = {read_0, read_1, read_2, read_3, read_4, read_5, read_6, read_7};

static int set_led(double value) {
  fprintf(stderr, "led %g\n", value);
  return value < 0 || value > 1 ? host_actuator_out_of_range : host_actuator_ok;
}
static const board_thing actuators[] = {{.name = "led", .set = set_led}};

board_facts host_facts = {.name = "host",
                            .flash_bytes = flash_bytes,
                            .ram_bytes = arena_bytes + 16 * 1024,
                            .flash = {NULL, flash_bytes, page, unit, 4, 4, firmware_pages},
                            .arena = (uint8_t *)arena,
                            .arena_bytes = arena_bytes,
                            .sensors = sensors,
                            .actuators = actuators,
                            .actuator_count = 1};
// Changed at the start, before anything reads it: the compiler must not take it for the constant that it is to all others.
__asm__(".globl board\n.set board, host_facts");

static uint32_t hurry = 1;

static void die(void) { _exit(137); }

static void leave(int signal) {
  (void)signal;
  if (pty_link != NULL) unlink(pty_link);
  _exit(0);
}

static int open_pty(const char *link) {
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
    perror("a pseudo-terminal can't be opened");
    exit(1);
  }
  // Held open here too: it goes on when whoever reads it goes away.
  int held = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  struct termios raw;
  tcgetattr(held, &raw);
  cfmakeraw(&raw);
  tcsetattr(held, TCSANOW, &raw);
  unlink(link);
  if (symlink(ptsname(terminal), link) != 0) {
    perror(link);
    exit(1);
  }
  return terminal;
}

static void add_sensor(char *text) {
  char *equals = strchr(text, '=');
  if (equals == NULL || host_facts.sensor_count == most_things) return;
  int i = host_facts.sensor_count++;
  snprintf(values[i].name, sizeof values[i].name, "%.*s", (int)(equals - text), text);
  values[i].value = strtod(equals + 1, NULL);
  int place = i;
  for (; place > 0 && strcmp(sensors[place - 1].name, values[i].name) > 0; place--) sensors[place] = sensors[place - 1];
  sensors[place] = (board_thing){.name = values[i].name, .read = readers[i]};
}

int hypha_main(void);

int main(int count, char **given) {
  const char *flash = NULL, *pty = NULL;
  host_boot_begin(given);
  for (int i = 1; i + 1 < count; i += 2) {
    const char *name = given[i];
    char *value = given[i + 1];
    if (strcmp(name, "--flash") == 0) flash = value;
    else if (strcmp(name, "--pty") == 0) pty = value;
    else if (strcmp(name, "--hurry") == 0) hurry = (uint32_t)strtoul(value, NULL, 10);
    else if (host_boot_takes(name, value)) continue;
    else if (strcmp(name, "--cut-at") == 0) host_flash_cut_at = strtoull(value, NULL, 10);
    else if (strcmp(name, "--sensor") == 0) add_sensor(value);
    else {
      fprintf(stderr, "%s isn't known\n", name);
      return 2;
    }
  }
  host_flash_dies = die;
  host_facts.flash.at = host_flash_open(flash, flash_bytes, page, unit);
  if (pty != NULL && host_wire < 0) host_wire = open_pty(pty);
  if (pty != NULL) wire_in = wire_out = host_wire;
  pty_link = pty;
  host_boot();
  signal(SIGTERM, leave);
  signal(SIGINT, leave);
  fcntl(wire_in, F_SETFL, fcntl(wire_in, F_GETFL) | O_NONBLOCK);
  fcntl(wire_out, F_SETFL, fcntl(wire_out, F_GETFL) | O_NONBLOCK);
  return hypha_main();
}

void board_start(void) {}

uint64_t board_nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) * hurry;
}

uint32_t board_millis(void) {
  static uint64_t start;
  if (start == 0) start = board_nanos() - 1000000;
  return (uint32_t)((board_nanos() - start) / 1000000);
}

uint32_t board_receive(uint8_t *bytes, uint32_t room) {
  ssize_t count = read(wire_in, bytes, room);
  // The other end of standard input is gone: nobody will ever hear of this board again.
  if (count == 0 && pty_link == NULL) leave(0);
  return count > 0 ? (uint32_t)count : 0;
}

uint32_t board_send(const uint8_t *bytes, uint32_t count) {
  ssize_t sent = write(wire_out, bytes, count);
  return sent > 0 ? (uint32_t)sent : 0;
}

bool board_entropy(uint8_t *bytes, uint32_t count) { return getrandom(bytes, count, 0) == (ssize_t)count; }

void board_idle(uint32_t most_ms) {
  struct pollfd line = {.fd = wire_in, .events = POLLIN};
  poll(&line, 1, (int)((most_ms < 1000 ? most_ms : 1000) / hurry));
}

void board_alive(void) {}
void board_watch(bool on) { (void)on; }

_Noreturn void board_reset(void) { host_boot_again(); }
