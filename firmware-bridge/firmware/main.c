#include "node/node.h"

static node all;

#ifdef HYPHA_HOST
// There the board has a main of its own, which reads its arguments.
#define main hypha_main
#endif

/** Never a part of what starts it, which paints the stack first. */
__attribute__((noinline)) int main(void) {
  board_start();
  node_begin(&all);
  for (;;) {
    uint32_t wait = node_step(&all);
    if (wait > 0) board_idle(wait);
  }
}
