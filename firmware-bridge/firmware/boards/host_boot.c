#define _GNU_SOURCE
#include "host_boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../burnt.h"
#include "../store/flash.h"

/* The head of an image, and what lies before it on a microcontroller. */
enum { program_at = 256, most_arguments = 80 };

// What is burnt in belongs to the board, not to a firmware: a slot's program is given it by the boot part.
extern const burnt_facts burnt_in;
burnt_facts host_burnt;
// Changed at the start, before anything reads it: the compiler must not take it for the constant that it is to all others.
__asm__(".globl burnt\n.set burnt, host_burnt");

int host_wire = -1;
static uint8_t slot;
static const char *boot_program;
static char *arguments[most_arguments + 1];
static int argument_count;

static bool is_own(const char *name) {
  static const char *const names[] = {"--slot", "--boot", "--wire", "--root", "--invite", "--id"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

void host_boot_begin(char **given) {
  host_burnt = burnt_in;
  // The boot part's arguments stand behind all others.
  while (given[argument_count] != NULL && argument_count < most_arguments / 2 && !is_own(given[argument_count])) {
    arguments[argument_count] = given[argument_count];
    argument_count++;
  }
}

static span read_hex(const char *text) {
  uint32_t length = (uint32_t)strlen(text) / 2;
  uint8_t *bytes = malloc(length + 1);
  for (uint32_t i = 0; i < length; i++) {
    char pair[3] = {text[2 * i], text[2 * i + 1], 0};
    bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return span_of(bytes, length);
}

static char *hex(span bytes) {
  char *text = malloc(2 * bytes.length + 1);
  for (uint32_t i = 0; i < bytes.length; i++) sprintf(text + 2 * i, "%02x", bytes.at[i]);
  text[2 * bytes.length] = 0;
  return text;
}

bool host_boot_takes(const char *name, const char *value) {
  if (strcmp(name, "--slot") == 0) slot = (uint8_t)atoi(value);
  else if (strcmp(name, "--boot") == 0) boot_program = value;
  else if (strcmp(name, "--root") == 0) host_burnt.root = read_hex(value);
  else if (strcmp(name, "--invite") == 0) host_burnt.invite = read_hex(value);
  else if (strcmp(name, "--id") == 0) host_burnt.id = read_hex(value);
  else if (strcmp(name, "--wire") == 0) host_wire = atoi(value);
  else return false;
  return true;
}

static void add(const char *name, char *value) {
  arguments[argument_count++] = (char *)name;
  arguments[argument_count++] = value;
}

static char *number(int value) {
  char *text = malloc(16);
  sprintf(text, "%d", value);
  return text;
}

static void run(uint8_t which) {
  const uint8_t *at = flash_at(flash_firmware(which).offset) + program_at;
  int program = memfd_create("firmware", MFD_CLOEXEC);
  if (program < 0 || write(program, at, flash_firmware(which).bytes - program_at) < 0) return perror("the slot's program");
  static char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = 0;
  add("--slot", number(which));
  add("--boot", self);
  add("--wire", number(host_wire));
  add("--root", hex(burnt_in.root));
  add("--invite", hex(burnt_in.invite));
  add("--id", hex(burnt_in.id));
  fexecve(program, arguments, environ);
  perror("the slot's program");
}

void host_boot(void) {
  // In a slot's program it has been done.
  if (boot_program != NULL) return;
  boot_place place = flash_boot();
  slot = boot_choose(&place);
  // Slot A is empty until a firmware came over the line: this program stands for the one that the board was flashed with.
  if (memcmp(flash_at(flash_firmware(slot).offset) + program_at, "\177ELF", 4) == 0) run(slot);
}

uint8_t board_slot(void) { return slot; }

_Noreturn void host_boot_again(void) {
  add("--wire", number(host_wire));
  execv(boot_program != NULL ? boot_program : "/proc/self/exe", arguments);
  _exit(1);
}
