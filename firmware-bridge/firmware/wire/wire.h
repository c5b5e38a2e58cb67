// The serial line to the bridge (docs/serial.md, sections 1 to 6), without a heap, an operating system or a clock of its own: bytes that came are
// fed in, bytes to send are polled out, and milliseconds are passed along. Payloads in between arrive once and in order, in each channel.
#ifndef HYPHA_WIRE_H
#define HYPHA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { wire_control, wire_update, wire_telemetry, wire_inputs, wire_channels };

/** Bytes of a frame beside its payload. [S 2.3] */
enum { wire_overhead = 9 };

/** Why a frame was dropped, in the order in which it is checked [S 2.7]. */
enum { wire_too_long, wire_cut, wire_too_short, wire_bad_crc, wire_bad_length, wire_bad_kind, wire_bad_fields, wire_drop_reasons };

/** Why what was open ends [S 3.5]. */
enum { wire_closing, wire_version, wire_out_of_step, wire_silent };

typedef struct {
  /** The longest payload that this side takes, 64 to 4096. */
  uint16_t max_payload;
  /** Places for payloads that came and weren't taken, as the other side counts them: at least one for each channel. */
  uint8_t in_places;
  /** Payloads that there is room for at a time, at least 2: what there is none for is as good as lost on the line, and comes again. [S 6.6] */
  uint8_t in_rooms;
  /** Frames of one channel that may be under way to this side, 1 to 32. */
  uint8_t window;
  /** The longest payload that this side offers. */
  uint16_t out_payload;
  /** How many may be offered that weren't taken at the other end, at least one for each channel, and the bytes that they share. */
  uint8_t out_places;
  uint16_t out_bytes;
  /** Of WIRE_ARENA_WORDS words; kept as long as the wire. */
  uint32_t *arena;
  uint32_t arena_words;
  /** Any number; need not be secret, must not be the same after each start. */
  uint32_t (*random)(void *context);
  void *context;
} wire_config;

typedef struct {
  uint8_t state, channel;
  uint16_t number, length;
} wire_in;

typedef struct {
  uint8_t state, channel, tries;
  /** Where it lies among the bytes of all. */
  uint16_t at;
  uint16_t number, length;
  uint32_t order, sent_at;
} wire_out;

#define WIRE_WORDS(bytes) (((bytes) + 3) / 4)
/** One more is where the next frame comes in. */
#define WIRE_ARENA_WORDS(max_payload, in_rooms, out_places, out_bytes)                              \
  (((in_rooms) + 1) * (WIRE_WORDS((max_payload) + wire_overhead) + WIRE_WORDS(sizeof(wire_in))) + \
   (out_places) * WIRE_WORDS(sizeof(wire_out)) + WIRE_WORDS(out_bytes))

typedef struct {
  uint32_t dropped[wire_drop_reasons];
  uint32_t frames_in, frames_out, repeats_in, repeats_out;
  /** Frames that a side in step doesn't send. */
  uint32_t violations;
  /** How often the line opened. */
  uint32_t openings;
} wire_counters;

/** What each side said that it takes. */
typedef struct {
  uint16_t max_payload;
  uint8_t window;
  uint32_t arena;
} wire_limits;

/** All but `counters` is the wire's own. What is small and often touched comes first: a short instruction reaches no further. */
typedef struct {
  /* Opening [S 4]. */
  bool open, hello_owed;
  uint8_t ended_why;

  /* Frames that come in: the place where the next one is put, and the stuffing's state. */
  uint8_t into, group_left;
  bool zero_due, begun;

  /* Receiving [S 6]. */
  bool ack_owed[wire_channels];
  uint8_t last_ack;

  /* Sending [S 5]. */
  uint8_t last_data;
  bool acked_last, measured;

  /* The frame that goes out: its stuffing's state. */
  uint8_t send_left, send_step;
  bool send_skip;
  uint8_t sending;
  uint16_t send_at, send_size;
  const uint8_t *payload;

  uint16_t in_stride, got;
  uint16_t next_in[wire_channels];
  /** Of each channel: the oldest that wasn't taken, the first that wasn't sent, the next to be offered. */
  uint16_t base[wire_channels], unsent[wire_channels], next_out[wire_channels];

  wire_in *ins;
  uint8_t *in_bytes;
  wire_out *outs;
  uint8_t *out_bytes;

  uint32_t own, peer, hello_at, hello_wait;
  /** The incarnation that a reset is to tell of, or 0. */
  uint32_t ended;
  uint32_t order;
  /** Eighths and quarters of a millisecond. */
  uint32_t trip8, deviation4;
  wire_limits theirs;
  wire_config config;
  wire_counters counters;
  uint8_t head[5], small[18], tail[4];
} wire;

/** False if the configuration is out of range or the arena too small. The line is closed then and opens by itself, once the other side is heard. */
bool wire_init(wire *w, const wire_config *config, uint32_t now_ms);

/** Bytes came from the line: any, at any time. */
void wire_feed(wire *w, const uint8_t *bytes, size_t count, uint32_t now_ms);

/** Up to `room` bytes to be sent; 0: nothing to send now. To be called whenever the line takes bytes. */
size_t wire_poll(wire *w, uint8_t *bytes, size_t room, uint32_t now_ms);

/** How long wire_poll will have nothing to send if nothing comes; UINT32_MAX: for ever. */
uint32_t wire_wake(const wire *w, uint32_t now_ms);

/** What is offered counts for one opening. When `counters.openings` has risen, or this is false, what wasn't taken is gone. [S 4.7] */
bool wire_is_open(const wire *w);

/** The longest payload that may be offered now; 0 while closed. */
uint16_t wire_max_offer(const wire *w);

/**
 * Room for a payload of at most so many bytes, to be written in place and then offered with its length; NULL: closed, or there is none now. One payload at a
 * time. Each channel keeps a place from the others, but not its bytes.
 */
uint8_t *wire_reserve(wire *w, uint8_t channel, uint16_t most);
void wire_offer_reserved(wire *w, uint16_t length);

/** The same with a copy. */
bool wire_offer(wire *w, uint8_t channel, const uint8_t *payload, uint16_t length);

/** Whether all that was offered on a channel was taken at the other end. */
bool wire_is_done(const wire *w, uint8_t channel);

/** The channel's next payload, or NULL. It stays where it is until it is taken, or the line closes: feed nothing between the two, or compare `openings`. */
const uint8_t *wire_peek(const wire *w, uint8_t channel, uint16_t *length);
/** Done with what wire_peek gave: only then may the other side send more. */
void wire_take(wire *w, uint8_t channel);

/** Ends what is open; it opens again by itself. */
void wire_reset(wire *w, uint8_t why, uint32_t now_ms);

#endif
