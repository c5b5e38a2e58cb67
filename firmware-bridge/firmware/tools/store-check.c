// Lets a test use the record store, and cut the power in any write of it.
#include <setjmp.h>
#include <stdio.h>

#include "../boards/host_flash.h"
#include "../store/records.h"
#include "words.h"

enum { pages = 8, page = 512 };

board_facts test_board;
// Changed at the start, before anything reads it: the compiler must not take it for the constant that it is to all others.
__asm__(".globl board\n.set board, test_board");

static jmp_buf cut;

static void die(void) { longjmp(cut, 1); }

void board_alive(void) {}

static void ask(records *in) {
  span value = {NULL, 0};
  code found = code_ok;
  record_type type = words_count > 0 && words[0].length > 0 ? (record_type)words[0].at[0] : record_kv;
  switch (words_what[0]) {
    case 'o':
      found = records_open(in);
      break;
    case 'p':
      found = records_put(in, type, words[1], &words[2], 1);
      break;
    case 'g':
      value = records_get(in, type, words[1]);
      break;
    case 'd':
      found = records_delete(in, type, words[1]);
      break;
    case 'w':
      printf("%llu\n", (unsigned long long)host_flash_writes);
      return;
  }
  printf("%s ", code_text(found));
  if (value.at == NULL) printf("-");
  words_print(value);
  printf("\n");
}

int main(void) {
  static records in;
  host_flash_dies = die;
  test_board.flash = (board_flash){host_flash_open(NULL, pages * page, page, 8), pages * page, page, 8, 2, 1};
  while (words_read()) {
    // "cut N": the write that is the Nth from here on.
    if (words_what[0] == 'c') {
      uint32_t from_here = load32(words[0].at);
      host_flash_cut_at = from_here == 0 ? 0 : host_flash_writes + from_here;
      printf("ok\n");
    } else if (setjmp(cut) == 0) ask(&in);
    else {
      host_flash_cut_at = 0;
      printf("cut\n");
    }
    fflush(stdout);
  }
  return 0;
}
