#include <string.h>

#include "internal.h"

/* `taken`: no longer needed, but still on its way out. `lost`: frames sent after it arrived, it didn't. */
enum { out_free, out_reserved, out_waiting, out_unknown, out_lost, out_held, out_taken };
/* RFC 6298 (2), and what [S 5.6] recommends. */
enum { first_timeout = 500, least_timeout = 100, most_timeout = 4000, steady_tries = 3, silent_tries = 12 };

void empty_outs(wire *w) {
  for (uint8_t i = 0; i < w->config.out_places; i++) w->outs[i].state = i == w->sending ? out_taken : out_free;
  memset(w->base, 0, sizeof w->base);
  memset(w->unsent, 0, sizeof w->unsent);
  memset(w->next_out, 0, sizeof w->next_out);
  w->measured = false;
}

void sent_frame(wire *w) {
  if (w->sending != no_place && w->outs[w->sending].state == out_taken) w->outs[w->sending].state = out_free;
  w->sending = no_place;
}

static bool in_use(const wire_out *out) { return out->state != out_free && out->state != out_taken; }

/** The place that stays free for each channel which has none is not for this one. */
static uint8_t free_place(const wire *w, uint8_t channel) {
  bool has[wire_channels] = {false};
  uint8_t found = no_place;
  int left = 0;
  for (uint8_t i = 0; i < w->config.out_places; i++) {
    const wire_out *out = &w->outs[i];
    if (out->state == out_reserved) return no_place;
    if (in_use(out)) has[out->channel] = true;
    else left++;
    if (out->state == out_free) found = i;
  }
  for (int other = 0; other < wire_channels; other++) left -= other != channel && !has[other];
  return left > 0 ? found : no_place;
}

/** The first bytes that nothing lies in, so many together: where they begin, or beyond the last that would do. */
static uint32_t free_bytes(const wire *w, uint32_t count) {
  uint32_t at = 0;
  for (uint8_t i = 0; i < w->config.out_places;) {
    const wire_out *out = &w->outs[i++];
    if (out->state == out_free || at >= out->at + (uint32_t)out->length || at + count <= out->at) continue;
    at = out->at + (uint32_t)out->length;
    i = 0;
  }
  return at;
}

uint8_t *wire_reserve(wire *w, uint8_t channel, uint16_t most) {
  uint8_t place = w->open && channel < wire_channels ? free_place(w, channel) : no_place;
  uint32_t at = free_bytes(w, most);
  if (place == no_place || at + most > w->config.out_bytes) return NULL;
  w->outs[place] = (wire_out){.state = out_reserved, .channel = channel, .at = (uint16_t)at, .length = most};
  return out_place(w, place);
}

void wire_offer_reserved(wire *w, uint16_t length) {
  for (uint8_t i = 0; i < w->config.out_places; i++) {
    wire_out *out = &w->outs[i];
    if (out->state != out_reserved) continue;
    out->state = length <= wire_max_offer(w) ? out_waiting : out_free;
    out->length = length;
    if (out->state == out_waiting) out->number = w->next_out[out->channel]++;
  }
}

bool wire_offer(wire *w, uint8_t channel, const uint8_t *payload, uint16_t length) {
  uint8_t *room = length <= wire_max_offer(w) ? wire_reserve(w, channel, length) : NULL;
  if (room == NULL) return false;
  if (length > 0) memcpy(room, payload, length);
  wire_offer_reserved(w, length);
  return true;
}

uint16_t wire_max_offer(const wire *w) {
  if (!w->open) return 0;
  return w->config.out_payload < w->theirs.max_payload ? w->config.out_payload : w->theirs.max_payload;
}

bool wire_is_done(const wire *w, uint8_t channel) { return w->base[channel] == w->next_out[channel]; }

static wire_out *find(const wire *w, uint8_t channel, uint16_t number) {
  for (uint8_t i = 0; i < w->config.out_places; i++) {
    wire_out *out = &w->outs[i];
    if (in_use(out) && out->state != out_reserved && out->channel == channel && out->number == number) return out;
  }
  return NULL;
}

static uint16_t under_way(const wire *w, uint8_t channel) { return (uint16_t)(w->unsent[channel] - w->base[channel]); }

/** Whether one more frame of a channel may be under way. [S 5.2] */
static bool has_room(const wire *w, uint8_t channel) {
  if (under_way(w, channel) >= w->theirs.window) return false;
  uint32_t counted = 0;
  for (uint8_t other = 0; other < wire_channels; other++) {
    uint32_t count = under_way(w, other) + (other == channel ? 1u : 0u);
    counted += count > 0 ? count : 1;
  }
  return counted * w->theirs.max_payload <= w->theirs.arena;
}

static uint32_t timeout(const wire *w, uint8_t tries) {
  uint32_t once = w->measured ? w->trip8 / 8 + w->deviation4 : first_timeout;
  if (once < least_timeout) once = least_timeout;
  for (; tries > steady_tries && once < most_timeout; tries--) once *= 2;
  return once < most_timeout ? once : most_timeout;
}

static void measure(wire *w, uint32_t trip) {
  if (trip > 60000) trip = 60000;
  if (!w->measured) {
    w->measured = true;
    w->trip8 = trip * 8;
    w->deviation4 = trip * 2;
    return;
  }
  uint32_t smoothed = w->trip8 / 8;
  uint32_t off = trip > smoothed ? trip - smoothed : smoothed - trip;
  w->trip8 += trip - smoothed;
  w->deviation4 += off - w->deviation4 / 4;
}

/** The first frame of a channel that time sends again: without word, or, where all have arrived, the oldest. [S 5.6] */
static wire_out *next_due(const wire *w, uint8_t channel, uint32_t now, uint32_t *wake) {
  bool all_held = true;
  wire_out *due = NULL;
  for (uint16_t number = w->base[channel]; number != w->unsent[channel]; number++) {
    wire_out *out = find(w, channel, number);
    if (out->state == out_held) continue;
    all_held = false;
    uint32_t at = out->sent_at + (out->state == out_lost ? 0 : timeout(w, out->tries));
    if (is_past(at, now)) return out;
    if (at - now < *wake) *wake = at - now;
  }
  if (all_held && under_way(w, channel) > 0) {
    wire_out *first = find(w, channel, w->base[channel]);
    uint32_t at = first->sent_at + timeout(w, first->tries);
    if (is_past(at, now)) due = first;
    else if (at - now < *wake) *wake = at - now;
  }
  return due;
}

static void put_on_line(wire *w, wire_out *out, uint32_t now) {
  if (out->tries < 0xff) out->tries++;
  out->sent_at = now;
  out->order = w->order++;
  w->sending = (uint8_t)(out - w->outs);
  w->last_data = out->channel;
  start_frame(w, kind_data, out->channel, out->number, out_place(w, w->sending), out->length);
}

bool send_data(wire *w, uint32_t now) {
  for (uint8_t turn = 1; turn <= wire_channels; turn++) {
    uint8_t channel = (w->last_data + turn) % wire_channels;
    uint32_t wake = UINT32_MAX;
    wire_out *out = next_due(w, channel, now, &wake);
    if (out != NULL) {
      /* Nobody there. [S 5.8] */
      if (out->tries >= silent_tries && out->state != out_held) {
        wire_reset(w, wire_silent, now);
        return false;
      }
      if (out->state == out_lost) out->state = out_unknown;
      w->counters.repeats_out++;
    } else if (w->unsent[channel] != w->next_out[channel] && has_room(w, channel)) {
      out = find(w, channel, w->unsent[channel]++);
      out->state = out_unknown;
    }
    if (out == NULL) continue;
    put_on_line(w, out, now);
    return true;
  }
  return false;
}

uint32_t data_wake(const wire *w, uint32_t now) {
  uint32_t wake = UINT32_MAX;
  for (uint8_t channel = 0; channel < wire_channels; channel++) {
    if (next_due(w, channel, now, &wake) != NULL) return 0;
    if (w->unsent[channel] != w->next_out[channel] && has_room(w, channel)) return 0;
  }
  return wake;
}

static bool is_held(uint32_t held, int index) { return index >= 0 && index < most_window && (held >> index & 1) != 0; }

/** What was sent before a frame that arrived is lost if it didn't arrive itself: the line keeps its order. [S 5.5] */
static void mark_lost(wire *w, uint8_t channel, uint32_t proof) {
  for (uint8_t i = 0; i < w->config.out_places; i++) {
    wire_out *out = &w->outs[i];
    if (out->state == out_unknown && out->channel == channel && (int32_t)(out->order - proof) < 0) out->state = out_lost;
  }
}

bool heard_ack(wire *w, const frame *f, uint32_t now) {
  uint8_t channel = f->channel;
  int taken = ahead(w->base[channel], f->number);
  uint32_t held = get32(f->payload);
  int count = under_way(w, channel);
  if (taken < 0) return true;
  if (taken > count) return false;
  for (int i = 0; i < most_window; i++) {
    if (is_held(held, i) && taken + i >= count) return false;
  }
  /* What was sent twice may have arrived the first time: it neither measures a trip nor proves an order (Karn's rule). */
  bool proven = false;
  uint32_t proof = 0, proof_at = 0;
  for (int i = 0; i < count; i++) {
    wire_out *out = find(w, channel, (uint16_t)(w->base[channel] + i));
    bool arrived = i < taken || is_held(held, i - taken);
    if (arrived && out->state != out_held && out->tries == 1 && (!proven || (int32_t)(out->order - proof) > 0)) {
      proven = true;
      proof = out->order;
      proof_at = out->sent_at;
    }
    if (i < taken) out->state = w->sending == (uint8_t)(out - w->outs) ? out_taken : out_free;
    else if (arrived && out->state != out_held) {
      out->state = out_held;
      out->tries = 1;
      out->sent_at = now;
    }
  }
  w->base[channel] = f->number;
  if (proven) {
    mark_lost(w, channel, proof);
    measure(w, now - proof_at);
  }
  return true;
}
