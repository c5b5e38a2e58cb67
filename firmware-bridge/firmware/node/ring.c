#include "ring.h"

/* Each in the ring: its length in all (16 bits), series or `no_series` (8 bits), time (32 bits); then 8 bytes of value, or CBOR. It may go over the end. */
enum { head_bytes = 7, no_series = 255 };

void ring_begin(ring *r) {
  memset(r, 0, sizeof *r);
  r->first = r->next = r->counted = 1;
  // Sent are those below `sent + 1`; so with `acked`.
}

static void copy_in(ring *r, const void *from, uint32_t count) {
  const uint8_t *bytes = from;
  for (uint32_t i = 0; i < count; i++) {
    r->bytes[r->end_at] = bytes[i];
    r->end_at = (r->end_at + 1) % ring_bytes;
  }
  r->used += count;
}

static void copy_out(const ring *r, uint32_t at, void *to, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) ((uint8_t *)to)[i] = r->bytes[(at + i) % ring_bytes];
}

static uint32_t length_at(const ring *r, uint32_t at) { return (uint32_t)r->bytes[at % ring_bytes] | (uint32_t)r->bytes[(at + 1) % ring_bytes] << 8; }

static void drop_first(ring *r) {
  uint32_t length = length_at(r, r->first_at);
  r->first_at = (r->first_at + length) % ring_bytes;
  r->used -= length;
  r->first++;
  if (r->sent + 1 < r->first) r->sent = r->first - 1;
}

static bool add(ring *r, uint32_t at, uint8_t series, const void *bytes, uint32_t count) {
  uint32_t length = head_bytes + count;
  if (length > ring_bytes / 2) return false;
  while (r->used + length > ring_bytes) {
    // Of the turn that runs nothing is dropped: it is either whole or not at all.
    if (r->first == r->counted) return false;
    drop_first(r);
    r->dropped++;
  }
  uint8_t head[head_bytes] = {(uint8_t)length, (uint8_t)(length >> 8), series};
  store32(head + 3, at);
  copy_in(r, head, head_bytes);
  copy_in(r, bytes, count);
  r->next++;
  return true;
}

/** Whether a sample in the ring is of this series. */
static bool is_used(const ring *r, int series) {
  uint32_t at = r->first_at;
  for (uint64_t number = r->first; number < r->next; number++) {
    if (r->bytes[(at + 2) % ring_bytes] == series) return true;
    at = (at + length_at(r, at)) % ring_bytes;
  }
  return false;
}

static int series_of(ring *r, uint32_t epoch, span metric) {
  if (metric.length == 0 || metric.length > ring_metric) return -1;
  int place = r->series_count;
  for (int i = 0; i < r->series_count; i++)
    if (r->series[i].epoch == epoch && r->series[i].length == metric.length && memcmp(r->series[i].name, metric.at, metric.length) == 0) return i;
  if (place == ring_series) {
    // Those of an epoch before, once all of them were acknowledged.
    for (place = 0; place < ring_series && (r->series[place].epoch == epoch || is_used(r, place));) place++;
    if (place == ring_series) return -1;
  } else r->series_count++;
  r->series[place].epoch = epoch;
  r->series[place].length = (uint8_t)metric.length;
  memcpy(r->series[place].name, metric.at, metric.length);
  return place;
}

bool ring_sample(ring *r, uint32_t at, uint32_t epoch, span metric, double value) {
  int series = series_of(r, epoch, metric);
  return series >= 0 && add(r, at, (uint8_t)series, &value, sizeof value);
}

bool ring_entry(ring *r, uint32_t at, span entry) { return add(r, at, no_series, entry.at, entry.length); }

void ring_keep(ring *r) { r->counted = r->next; }

void ring_undo(ring *r) {
  // What counts is walked from the first one on: the ring can't be read backwards.
  uint32_t at = r->first_at, used = 0;
  for (uint64_t number = r->first; number < r->counted; number++) {
    uint32_t length = length_at(r, at);
    at = (at + length) % ring_bytes;
    used += length;
  }
  r->end_at = at;
  r->used = used;
  r->next = r->counted;
}

/** How many come next, and what they take; those of the ring that count and weren't sent. */
typedef struct {
  uint32_t at;
  uint64_t first;
  uint32_t count, samples;
  uint32_t base;
} stretch;

static uint32_t time_at(const ring *r, uint32_t at) {
  uint8_t head[head_bytes];
  copy_out(r, at, head, head_bytes);
  return load32(head + 3);
}

void write_who(cbor_out *out, span app, span module, span home) {
  field_text(out, 1, app);
  field_text(out, 2, module);
  field_text(out, 3, home);
}

enum { column_series, column_offset, column_at, column_value };

/** One column of the samples: numbers of so many bytes, one after another. */
static void write_column(cbor_out *out, const ring *r, const stretch *of, int column) {
  static const uint8_t widths[] = {2, 2, 4, 8};
  out_key(out, (uint32_t)column + 1);
  out_head(out, 2, of->samples * widths[column]);
  uint32_t at = of->at;
  for (uint32_t i = 0; i < of->count; i++) {
    uint8_t entry[head_bytes + 8];
    copy_out(r, at, entry, sizeof entry);
    uint32_t length = length_at(r, at);
    at = (at + length) % ring_bytes;
    if (entry[2] == no_series) continue;
    uint8_t value[8] = {0};
    if (column == column_series) value[0] = entry[2];
    if (column == column_offset) store32(value, i);
    if (column == column_at) store32(value, load32(entry + 3) - of->base);
    if (column == column_value) memcpy(value, entry + head_bytes, 8);
    out_raw(out, span_of(value, widths[column]));
  }
}

static void write_entries(cbor_out *out, const ring *r, const stretch *of) {
  uint32_t at = of->at;
  for (uint32_t i = 0; i < of->count; i++) {
    uint8_t head[head_bytes];
    copy_out(r, at, head, head_bytes);
    uint32_t length = length_at(r, at);
    if (head[2] == no_series) {
      out_map(out, 3);
      field_uint(out, 1, i);
      field_uint(out, 2, load32(head + 3) - of->base);
      out_key(out, 3);
      for (uint32_t j = head_bytes; j < length; j++) {
        uint8_t byte = r->bytes[(at + j) % ring_bytes];
        out_raw(out, span_of(&byte, 1));
      }
    }
    at = (at + length) % ring_bytes;
  }
}

static void write_report(cbor_out *out, const ring *r, const ring_about *about, const stretch *of, uint64_t after) {
  // `after` where the end of the stretch before isn't just before this one.
  bool gap = after + 1 != of->first;
  out_map(out, 7u + gap + (about->paused_ms > 0));
  field_bytes(out, 1, span_of(about->incarnation, 8));
  field_uint(out, 2, of->first);
  field_uint(out, 3, of->count);
  field_uint(out, 4, about->offset_ms + of->base);
  out_key(out, 5);
  out_array(out, r->series_count);
  for (int i = 0; i < r->series_count; i++) {
    out_map(out, 5);
    write_who(out, about->app, about->module, about->home);
    field_text(out, 4, span_of(r->series[i].name, r->series[i].length));
    field_uint(out, 5, r->series[i].epoch);
  }
  out_key(out, 6);
  out_map(out, 4);
  for (int column = column_series; column <= column_value; column++) write_column(out, r, of, column);
  out_key(out, 7);
  out_array(out, of->count - of->samples);
  write_entries(out, r, of);
  if (gap) field_uint(out, 8, after);
  if (about->paused_ms > 0) field_uint(out, 9, about->paused_ms);
}

bool ring_report(ring *r, const ring_about *about, cbor_out *out, uint32_t most) {
  stretch of = {.at = r->first_at, .first = r->sent + 1};
  if (of.first < r->first) of.first = r->first;
  for (uint64_t number = r->first; number < of.first; number++) of.at = (of.at + length_at(r, of.at)) % ring_bytes;
  if (of.first >= r->counted) return false;
  of.base = time_at(r, of.at);
  uint64_t after = of.first == r->first ? r->acked : of.first - 1;
  stretch fits = of;
  for (uint32_t at = of.at; of.first + of.count < r->counted;) {
    uint8_t head[head_bytes];
    copy_out(r, at, head, head_bytes);
    at = (at + length_at(r, at)) % ring_bytes;
    of.count++;
    of.samples += head[2] != no_series;
    cbor_out measured = {NULL, 0, 0};
    write_report(&measured, r, about, &of, after);
    if (measured.length > most) break;
    fits = of;
  }
  if (fits.count == 0) {
    // It is longer than any report may be: what comes behind it goes on, and the gap is told.
    if (of.first == r->first) drop_first(r);
    return false;
  }
  write_report(out, r, about, &fits, after);
  r->sent = fits.first + fits.count - 1;
  return true;
}

void ring_ack(ring *r, uint64_t up_to) {
  if (up_to >= r->counted) return;
  while (r->first <= up_to && r->first < r->counted) drop_first(r);
  if (up_to > r->acked) r->acked = up_to;
}
