// What stands at a fixed place in every image of a firmware, so that one for another board, or for the other slot, isn't started.
#ifndef HYPHA_IMAGE_H
#define HYPHA_IMAGE_H

#include <stdint.h>

enum { image_head_at = 192, image_magic = 0x31574648 };

typedef struct {
  uint32_t magic;
  /** Where its first byte must be; 0 on the board that is this machine, whose programs run anywhere. */
  uint32_t address;
  /** All of it. */
  uint32_t bytes;
  /** As `hypha mcu build --board` has it. */
  char board[20];
  /** Its own version. */
  char version[32];
} image_head;

/** Of the firmware that runs. */
extern const image_head image;

#endif
