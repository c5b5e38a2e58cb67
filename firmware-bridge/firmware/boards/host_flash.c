#include "host_flash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t host_flash_writes;
uint64_t host_flash_cut_at;
void (*host_flash_dies)(void) = abort;

static struct {
  uint8_t *at;
  uint32_t bytes, page, unit;
} flash;

static void fail(const char *why, uint32_t offset) {
  fprintf(stderr, "flash: %s at %u\n", why, offset);
  abort();
}

const uint8_t *host_flash_open(const char *path, uint32_t bytes, uint32_t page, uint32_t unit) {
  flash.bytes = bytes;
  flash.page = page;
  flash.unit = unit;
  if (path == NULL) {
    flash.at = malloc(bytes);
    memset(flash.at, 0xff, bytes);
    return flash.at;
  }
  int file = open(path, O_RDWR | O_CREAT, 0600);
  off_t there = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  if (there < 0 || ftruncate(file, bytes) != 0) fail("can't open its file", 0);
  flash.at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (flash.at == MAP_FAILED) fail("can't map its file", 0);
  if (there < (off_t)bytes) memset(flash.at + there, 0xff, bytes - (size_t)there);
  close(file);
  return flash.at;
}

static bool is_cut(void) { return ++host_flash_writes == host_flash_cut_at; }

bool board_erase(uint32_t offset) {
  if (offset % flash.page != 0 || offset >= flash.bytes) fail("a page is erased that isn't one", offset);
  if (is_cut()) {
    // Some of it is erased, some is as it was, and in between anything can be.
    memset(flash.at + offset, 0xff, flash.page / 2);
    flash.at[offset + flash.page / 2] ^= 0x5a;
    host_flash_dies();
  }
  memset(flash.at + offset, 0xff, flash.page);
  return true;
}

bool board_program(uint32_t offset, const void *bytes, uint32_t count) {
  const uint8_t *from = bytes;
  if (offset % flash.unit != 0 || count % flash.unit != 0 || count > flash.bytes || offset > flash.bytes - count)
    fail("bytes are programmed that are no whole units", offset);
  for (uint32_t at = 0; at < count; at += flash.unit) {
    uint8_t *to = flash.at + offset + at;
    for (uint32_t i = 0; i < flash.unit; i++)
      if (to[i] != 0xff) fail("a unit is programmed that isn't erased", offset + at);
    if (is_cut()) {
      // Half of its bytes, or half of the bits of each.
      for (uint32_t i = 0; i < flash.unit; i++) to[i] = host_flash_writes % 2 != 0 ? (uint8_t)(from[at + i] | 0xaa) : i < (flash.unit + 1) / 2 ? from[at + i] : 0xff;
      host_flash_dies();
    }
    memcpy(to, from + at, flash.unit);
  }
  return true;
}
