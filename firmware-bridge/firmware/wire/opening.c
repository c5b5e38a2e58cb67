#include "internal.h"

enum { first_wait = 500, longest_wait = 5000, flag_answer = 1 };

/** An incarnation serves one opening. [S 4.1] */
static void draw(wire *w) {
  uint32_t before = w->own;
  w->own = w->config.random(w->config.context);
  if (w->own == 0 || w->own == before) w->own = before + 1 != 0 ? before + 1 : 1;
}

void close_line(wire *w, uint32_t now) {
  w->open = false;
  draw(w);
  w->hello_at = now;
  w->hello_wait = first_wait;
  empty_outs(w);
  empty_ins(w);
}

void wire_reset(wire *w, uint8_t why, uint32_t now) {
  w->ended = w->own;
  w->ended_why = why;
  close_line(w, now);
}

/** What a hello announces, if it is in range. [S 3.2] */
static bool read_limits(const frame *f, wire_limits *limits) {
  const uint8_t *at = f->payload;
  limits->window = at[3];
  limits->max_payload = get16(at + 4);
  limits->arena = get32(at + 6);
  return at[0] >= 1 && at[1] >= at[0] && limits->window >= 1 && limits->window <= most_window &&
         limits->max_payload >= least_payload && limits->max_payload <= most_payload &&
         limits->arena >= (uint32_t)wire_channels * limits->max_payload && get32(at + 10) != 0;
}

bool heard_hello(wire *w, const frame *f, uint32_t now) {
  wire_limits limits;
  if (f->channel != 0 || f->number != 0 || f->length < hello_bytes || !read_limits(f, &limits)) return false;
  uint32_t theirs = get32(f->payload + 10);
  bool knows_me = get32(f->payload + 14) == w->own;
  /* The peer has started anew. [S 4.6] */
  if (w->open && theirs != w->peer) {
    close_line(w, now);
    knows_me = false;
  }
  w->peer = theirs;
  if (f->payload[2] & flag_answer) w->hello_owed = true;
  if (f->payload[0] > spoken_version) {
    w->ended = w->own;
    w->ended_why = wire_version;
  } else if (!w->open && knows_me) {
    w->open = true;
    w->theirs = limits;
    w->counters.openings++;
  }
  return true;
}

bool heard_reset(wire *w, const frame *f, uint32_t now) {
  if (f->channel != 0 || f->number != 0 || f->length < reset_bytes) return false;
  uint32_t ended = get32(f->payload);
  if (ended == 0 || f->payload[4] > wire_silent) return false;
  if (w->open && ended == w->peer) close_line(w, now);
  return true;
}

static void send_hello(wire *w) {
  uint8_t *at = w->small;
  at[0] = spoken_version;
  at[1] = spoken_version;
  at[2] = w->open ? 0 : flag_answer;
  at[3] = w->config.window;
  put16(at + 4, w->config.max_payload);
  put32(at + 6, (uint32_t)w->config.in_places * w->config.max_payload);
  put32(at + 10, w->own);
  put32(at + 14, w->peer);
  start_frame(w, kind_hello, 0, 0, at, hello_bytes);
}

bool send_opening(wire *w, uint32_t now) {
  if (w->ended != 0) {
    put32(w->small, w->ended);
    w->small[4] = w->ended_why;
    w->ended = 0;
    start_frame(w, kind_reset, 0, 0, w->small, reset_bytes);
    return true;
  }
  bool due = !w->open && is_past(w->hello_at, now);
  if (!due && !w->hello_owed) return false;
  w->hello_owed = false;
  if (due) {
    w->hello_at = now + w->hello_wait;
    w->hello_wait = w->hello_wait * 2 < longest_wait ? w->hello_wait * 2 : longest_wait;
  }
  send_hello(w);
  return true;
}
