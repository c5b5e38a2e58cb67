#include "internal.h"

enum { in_free, in_kept };

void empty_ins(wire *w) {
  for (int i = 0; i <= w->config.in_rooms; i++) w->ins[i].state = in_free;
  for (int i = 0; i < wire_channels; i++) {
    w->next_in[i] = 0;
    w->ack_owed[i] = false;
  }
}

static uint8_t find(const wire *w, uint8_t channel, uint16_t number) {
  for (uint8_t i = 0; i <= w->config.in_rooms; i++) {
    if (w->ins[i].state == in_kept && w->ins[i].channel == channel && w->ins[i].number == number) return i;
  }
  return no_place;
}

/** What is kept of a channel: how many in all, and how many of those before a number. */
static uint32_t count_kept(const wire *w, uint8_t channel, int distance, uint32_t *before) {
  uint32_t count = 0;
  *before = 0;
  for (int i = 0; i <= w->config.in_rooms; i++) {
    if (w->ins[i].state != in_kept || w->ins[i].channel != channel) continue;
    count++;
    *before += ahead(w->next_in[channel], w->ins[i].number) < distance;
  }
  return count;
}

bool heard_data(wire *w, const frame *f) {
  int distance = ahead(w->next_in[f->channel], f->number);
  if (distance >= w->config.window) return false;
  if (distance < 0 || find(w, f->channel, f->number) != no_place) {
    w->counters.repeats_in++;
    w->ack_owed[f->channel] = true;
    return true;
  }
  /* The count of [S 5.2] from this side: an honest peer never has more under way. */
  uint32_t counted = 0, kept = 0, before = 0, any;
  for (uint8_t i = 0; i < wire_channels; i++) {
    uint32_t count = count_kept(w, i, distance, i == f->channel ? &before : &any);
    kept += count;
    count += i == f->channel;
    counted += count > 0 ? count : 1;
  }
  if (counted > w->config.in_places) return false;
  /* The last room is for what can be handed up without waiting for another: so there is always one again. [S 6.6] */
  if (kept + (before < (uint32_t)distance) >= w->config.in_rooms) return true;
  w->ins[w->into] = (wire_in){in_kept, f->channel, f->number, f->length};
  w->ack_owed[f->channel] = true;
  /* There is one room more than may be kept: the next frame comes in there. */
  while (w->ins[w->into].state != in_free) w->into = (uint8_t)(w->into == w->config.in_rooms ? 0 : w->into + 1);
  return true;
}

bool send_ack(wire *w) {
  for (uint8_t turn = 1; turn <= wire_channels; turn++) {
    uint8_t channel = (w->last_ack + turn) % wire_channels;
    if (!w->ack_owed[channel]) continue;
    uint32_t held = 0;
    for (int i = 0; i <= w->config.in_rooms; i++) {
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
