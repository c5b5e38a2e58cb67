// What the files of the wire share. Each holds one section of docs/serial.md.
#ifndef HYPHA_WIRE_INTERNAL_H
#define HYPHA_WIRE_INTERNAL_H

#include "wire.h"

enum { kind_hello = 1, kind_data = 2, kind_ack = 3, kind_reset = 4 };
enum { spoken_version = 1, hello_bytes = 18, ack_bytes = 4, reset_bytes = 5, head_bytes = 5, crc_bytes = 4 };
enum { least_payload = 64, most_payload = 4096, most_window = 32 };
/** No place. */
enum { no_place = 0xff };

/** A frame whose CRC and length were checked. */
typedef struct {
  uint8_t kind, channel;
  uint16_t number, length;
  const uint8_t *payload;
} frame;

static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static inline uint32_t get32(const uint8_t *at) { return get16(at) | (uint32_t)get16(at + 2) << 16; }
static inline void put16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}
static inline void put32(uint8_t *at, uint32_t value) {
  put16(at, (uint16_t)value);
  put16(at + 2, (uint16_t)(value >> 16));
}

/** How far `to` lies ahead of `from`. [S 6.5] */
static inline int ahead(uint16_t from, uint16_t to) { return (int16_t)(uint16_t)(to - from); }
/** Whether a moment has come; clocks wrap around. */
static inline bool is_past(uint32_t at, uint32_t now) { return (int32_t)(now - at) >= 0; }

/* unstuff.c: from the line to frames, section 2. */
/** The byte as part of a frame: whether one has ended here, in `*to`. It lies in the place `into`. */
bool unstuff(wire *w, uint8_t byte, frame *to);

/* stuff.c: from frames to the line. */
void start_frame(wire *w, uint8_t kind, uint8_t channel, uint16_t number, const uint8_t *payload, uint16_t length);
static inline bool is_sending(const wire *w) { return w->send_step != 0; }
/** The next byte of the frame that goes out. */
uint8_t stuffed(wire *w);

/* opening.c, section 4. */
void close_line(wire *w, uint32_t now);
/** False where a field is out of range. */
bool heard_hello(wire *w, const frame *f, uint32_t now);
bool heard_reset(wire *w, const frame *f, uint32_t now);
/** Starts the frame that is due for opening, if one is. */
bool send_opening(wire *w, uint32_t now);

/* sending.c, section 5. */
void empty_outs(wire *w);
/** False where the ack speaks of what wasn't sent. */
bool heard_ack(wire *w, const frame *f, uint32_t now);
bool send_data(wire *w, uint32_t now);
/** The frame that went out last is off: what was taken meanwhile is free. */
void sent_frame(wire *w);
uint32_t data_wake(const wire *w, uint32_t now);
static inline uint8_t *out_place(const wire *w, uint8_t place) { return w->out_bytes + w->outs[place].at; }

/* receiving.c, section 6. */
void empty_ins(wire *w);
/** False where the frame can't come from a side in step. */
bool heard_data(wire *w, const frame *f);
bool send_ack(wire *w);
static inline uint8_t *in_place(const wire *w, uint8_t place) { return w->in_bytes + (uint32_t)place * w->in_stride; }

#endif
