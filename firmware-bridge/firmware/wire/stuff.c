#include "crc32.h"
#include "internal.h"

/* Where the frame that goes out has come to. */
enum { step_idle, step_first_zero, step_code, step_group, step_last_zero };

void start_frame(wire *w, uint8_t kind, uint8_t channel, uint16_t number, const uint8_t *payload, uint16_t length) {
  w->head[0] = (uint8_t)(kind | channel << 4);
  put16(w->head + 1, number);
  put16(w->head + 3, length);
  uint32_t crc = crc32_step(crc32_begin, w->head, head_bytes);
  put32(w->tail, crc32_end(crc32_step(crc, payload, length)));
  w->payload = payload;
  w->send_at = 0;
  w->send_size = (uint16_t)(length + wire_overhead);
  w->send_step = step_first_zero;
  w->counters.frames_out++;
}

static uint8_t plain(const wire *w, uint16_t at) {
  if (at < head_bytes) return w->head[at];
  if (at < w->send_size - crc_bytes) return w->payload[at - head_bytes];
  return w->tail[at - (w->send_size - crc_bytes)];
}

/** The code of the group that begins here, and what it stands for. [S 2.2] */
static uint8_t begin_group(wire *w) {
  uint8_t count = 0;
  while (count < 254 && w->send_at + count < w->send_size && plain(w, (uint16_t)(w->send_at + count)) != 0) count++;
  w->send_left = count;
  w->send_skip = count < 254;
  return (uint8_t)(count + 1);
}

/** What follows a group: another one, if there is a byte left or the group stood for a zero byte at the frame's end. */
static uint8_t after_group(wire *w) {
  bool ends = w->send_at >= w->send_size;
  if (!ends && w->send_skip) w->send_at++;
  return ends ? step_last_zero : step_code;
}

uint8_t stuffed(wire *w) {
  uint8_t byte = 0;
  switch (w->send_step) {
    case step_first_zero:
      w->send_step = step_code;
      break;
    case step_code:
      byte = begin_group(w);
      w->send_step = w->send_left > 0 ? step_group : after_group(w);
      break;
    case step_group:
      byte = plain(w, w->send_at++);
      if (--w->send_left == 0) w->send_step = after_group(w);
      break;
    default:
      w->send_step = step_idle;
      break;
  }
  return byte;
}
