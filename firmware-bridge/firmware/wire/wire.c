#include "wire.h"

#include <string.h>

#include "internal.h"

static bool is_usable(const wire_config *c) {
  return c->max_payload >= least_payload && c->max_payload <= most_payload && c->in_places >= wire_channels && c->in_places < no_place && c->in_rooms >= 2 && c->in_rooms <= c->in_places &&
         c->window >= 1 && c->window <= most_window && c->out_payload >= least_payload && c->out_payload <= most_payload &&
         c->out_places >= wire_channels && c->out_places < no_place && c->out_bytes >= c->out_payload && c->arena != NULL && c->random != NULL &&
         c->arena_words >= WIRE_ARENA_WORDS(c->max_payload, c->in_rooms, c->out_places, c->out_bytes);
}

bool wire_init(wire *w, const wire_config *config, uint32_t now_ms) {
  if (!is_usable(config)) return false;
  memset(w, 0, sizeof *w);
  w->config = *config;
  uint32_t *at = config->arena;
  w->in_stride = (uint16_t)(4 * WIRE_WORDS(config->max_payload + wire_overhead));
  w->outs = (wire_out *)at;
  at += config->out_places * WIRE_WORDS(sizeof(wire_out));
  w->ins = (wire_in *)at;
  at += (config->in_rooms + 1u) * WIRE_WORDS(sizeof(wire_in));
  w->in_bytes = (uint8_t *)at;
  w->out_bytes = w->in_bytes + (config->in_rooms + 1u) * w->in_stride;
  w->sending = no_place;
  w->last_ack = w->last_data = wire_channels - 1;
  close_line(w, now_ms);
  return true;
}

bool wire_is_open(const wire *w) { return w->open; }

static void heard(wire *w, const frame *f, uint32_t now) {
  w->counters.frames_in++;
  bool fine = true;
  if (f->kind == kind_hello) fine = heard_hello(w, f, now);
  else if (f->kind == kind_reset) fine = heard_reset(w, f, now);
  if (!fine) {
    w->counters.frames_in--;
    w->counters.dropped[wire_bad_fields]++;
  }
  if (!w->open || f->kind == kind_hello || f->kind == kind_reset) return;
  if (f->kind == kind_ack ? heard_ack(w, f, now) : heard_data(w, f)) return;
  /* The two are out of step. [S 5.7] [S 6.4] */
  w->counters.violations++;
  wire_reset(w, wire_out_of_step, now);
}

void wire_feed(wire *w, const uint8_t *bytes, size_t count, uint32_t now_ms) {
  frame f;
  for (size_t i = 0; i < count; i++) {
    if (unstuff(w, bytes[i], &f)) heard(w, &f, now_ms);
  }
}

/** Acks go first, but where payloads wait too, the two take turns. [S 6.3] */
static bool start_next(wire *w, uint32_t now) {
  if (send_opening(w, now)) return true;
  if (!w->open) return false;
  bool acks_first = !w->acked_last;
  if (acks_first && send_ack(w)) {
    w->acked_last = true;
    return true;
  }
  if (send_data(w, now)) {
    w->acked_last = false;
    return true;
  }
  /* A peer that is silent closes the line: there is a reset to send. */
  if (!w->open) return send_opening(w, now);
  if (!acks_first && send_ack(w)) return true;
  return false;
}

size_t wire_poll(wire *w, uint8_t *bytes, size_t room, uint32_t now_ms) {
  size_t count = 0;
  while (count < room && (is_sending(w) || start_next(w, now_ms))) {
    bytes[count++] = stuffed(w);
    if (!is_sending(w)) sent_frame(w);
  }
  return count;
}

uint32_t wire_wake(const wire *w, uint32_t now_ms) {
  if (is_sending(w) || w->ended != 0 || w->hello_owed) return 0;
  if (!w->open) return is_past(w->hello_at, now_ms) ? 0 : w->hello_at - now_ms;
  for (int i = 0; i < wire_channels; i++) {
    if (w->ack_owed[i]) return 0;
  }
  return data_wake(w, now_ms);
}
