#include "internal.h"

enum { in_free, in_kept };

void empty_ins(wire *w) {
  for (int i = 0; i <= w->config.in_places; i++) w->ins[i].state = in_free;
  for (int i = 0; i < wire_channels; i++) {
    w->next_in[i] = 0;
    w->ack_owed[i] = false;
  }
}

static uint8_t find(const wire *w, uint8_t channel, uint16_t number) {
  for (uint8_t i = 0; i <= w->config.in_places; i++) {
    if (w->ins[i].state == in_kept && w->ins[i].channel == channel && w->ins[i].number == number) return i;
  }
  return no_place;
}

/** The count of [S 5.2] with one more of a channel, from this side: an honest peer never has more under way. */
static bool has_place(const wire *w, uint8_t channel) {
  uint8_t kept[wire_channels] = {0};
  kept[channel] = 1;
  for (int i = 0; i <= w->config.in_places; i++) {
    if (w->ins[i].state == in_kept) kept[w->ins[i].channel]++;
  }
  uint32_t counted = 0;
  for (int i = 0; i < wire_channels; i++) counted += kept[i] > 0 ? kept[i] : 1;
  return counted <= w->config.in_places;
}

bool heard_data(wire *w, const frame *f) {
  int distance = ahead(w->next_in[f->channel], f->number);
  if (distance >= w->config.window) return false;
  if (distance < 0 || find(w, f->channel, f->number) != no_place) {
    w->counters.repeats_in++;
    w->ack_owed[f->channel] = true;
    return true;
  }
  if (!has_place(w, f->channel)) return false;
  w->ins[w->into] = (wire_in){in_kept, f->channel, f->number, f->length};
  w->ack_owed[f->channel] = true;
  /* There is one place more than may be kept: the next frame comes in there. */
  while (w->ins[w->into].state != in_free) w->into = (uint8_t)(w->into == w->config.in_places ? 0 : w->into + 1);
  return true;
}

bool send_ack(wire *w) {
  for (uint8_t turn = 1; turn <= wire_channels; turn++) {
    uint8_t channel = (w->last_ack + turn) % wire_channels;
    if (!w->ack_owed[channel]) continue;
    uint32_t held = 0;
    for (int i = 0; i <= w->config.in_places; i++) {
      const wire_in *in = &w->ins[i];
      if (in->state == in_kept && in->channel == channel) held |= 1u << ahead(w->next_in[channel], in->number);
    }
    w->ack_owed[channel] = false;
    w->last_ack = channel;
    put32(w->small, held);
    start_frame(w, kind_ack, channel, w->next_in[channel], w->small, ack_bytes);
    return true;
  }
  return false;
}

const uint8_t *wire_peek(const wire *w, uint8_t channel, uint16_t *length) {
  uint8_t place = find(w, channel, w->next_in[channel]);
  if (place == no_place) return NULL;
  *length = w->ins[place].length;
  return in_place(w, place) + head_bytes;
}

void wire_take(wire *w, uint8_t channel) {
  uint8_t place = find(w, channel, w->next_in[channel]);
  if (place == no_place) return;
  w->ins[place].state = in_free;
  w->next_in[channel]++;
  w->ack_owed[channel] = true;
}
