// Writes CBOR, shortest forms only, into room that is given; what doesn't fit is counted and not written.
#ifndef HYPHA_CBOR_OUT_H
#define HYPHA_CBOR_OUT_H

#include "bytes.h"

typedef struct {
  uint8_t *at;
  uint32_t length, room;
} cbor_out;

static inline bool out_fits(const cbor_out *out) { return out->length <= out->room; }

void out_raw(cbor_out *out, span bytes);
/** A major type with its number, length or count. */
void out_head(cbor_out *out, int major, uint64_t argument);
void out_uint(cbor_out *out, uint64_t value);
void out_bytes(cbor_out *out, span bytes);
void out_text(cbor_out *out, span text);
void out_words(cbor_out *out, const char *text);
void out_bool(cbor_out *out, bool value);
void out_float(cbor_out *out, double value);
static inline void out_array(cbor_out *out, uint32_t count) { out_head(out, 4, count); }
static inline void out_map(cbor_out *out, uint32_t count) { out_head(out, 5, count); }
/** A key of a record; its value follows. */
static inline void out_key(cbor_out *out, uint32_t key) { out_uint(out, key); }
/* A key with its value. */
void field_uint(cbor_out *out, uint32_t key, uint64_t value);
void field_bytes(cbor_out *out, uint32_t key, span bytes);
void field_text(cbor_out *out, uint32_t key, span text);
void field_words(cbor_out *out, uint32_t key, const char *text);

#endif
