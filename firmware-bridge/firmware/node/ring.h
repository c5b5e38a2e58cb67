// What the board has to report, in RAM until the gateway has it: samples, and entries as docs/protocol.md 8 has them. When it is full the oldest go; numbers tell how many.
//
// What a turn adds counts once the turn has ended well.
#ifndef HYPHA_RING_H
#define HYPHA_RING_H

#include "../base/cbor_out.h"
#include "../board.h"

enum { ring_bytes = BOARD_RING_BYTES, ring_series = 8, ring_metric = 32 };

/** What is small comes first, here and in the other big structures: a short instruction reaches no further. */
typedef struct {
  uint32_t first_at, end_at, used;
  /** Numbers of the oldest and behind the newest; the latter of what counts. */
  uint64_t first, next, counted;
  /** All up to this one were given to the line. */
  uint64_t sent;
  /** Highest number that the gateway has. */
  uint64_t acked;
  uint32_t dropped;
  struct {
    uint32_t epoch;
    uint8_t length;
    char name[ring_metric];
  } series[ring_series];
  uint8_t series_count;
  /** Record of the place that each takes: its head, then a sample or the CBOR of an entry. */
  uint8_t bytes[ring_bytes];
} ring;

/** What all of a report says of the one who reports. */
typedef struct {
  const uint8_t *incarnation;
  span app, module, home;
  /** The clock's offset to ms since 1970, of times in the ring. */
  uint64_t offset_ms;
  /** How long the change to what runs took; 0 for none since the start. */
  uint32_t paused_ms;
} ring_about;

/** Of whom an entry or a series is: its first three fields. */
void write_who(cbor_out *out, span app, span module, span home);

void ring_begin(ring *r);
/** False where there are too many metrics, or its name is too long. */
bool ring_sample(ring *r, uint32_t at, uint32_t epoch, span metric, double value);
/** An entry's CBOR: the pair of a kind and its fields. False where it doesn't fit. */
bool ring_entry(ring *r, uint32_t at, span entry);
/** What was added since the last of these counts, or never was. */
void ring_keep(ring *r);
void ring_undo(ring *r);
/** Whether there is something that wasn't sent. */
static inline bool ring_waits(const ring *r) { return r->sent < r->counted; }
/** Writes a report of what comes next, as much as fits in `most` bytes; it counts as sent. False where nothing fits. */
bool ring_report(ring *r, const ring_about *about, cbor_out *out, uint32_t most);
void ring_ack(ring *r, uint64_t up_to);
/** What was sent and not acknowledged is to be sent again. */
static inline void ring_rewind(ring *r) { r->sent = r->first - 1; }

#endif
