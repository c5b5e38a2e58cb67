// What the parts of the decoder share; see patch.h.
#ifndef HYPHA_PATCH_STATE_H
#define HYPHA_PATCH_STATE_H

#include "patch.h"

enum { patch_inputs = 3, patch_weight_sets = 24, patch_input_bytes = 256, patch_token_bytes = 16 };

/** Kinds of immediates [D 5.1], and of other tokens. */
enum {
  token_raw = 0, kind_block_type = 1, kind_label, kind_func, kind_type, kind_table, kind_local, kind_global, kind_align, kind_offset, kind_i32, kind_i64, kind_f32,
  kind_f64, kind_memory, kind_heap_type, kind_data, kind_element, kind_lane, kind_v128, kind_count, kind_tag, kind_value_type, kind_catch, token_op, token_count
};

enum { map_types, map_functions, map_globals, map_addresses, map_end };

/** How the old bytes are read, and so which of them are mapped [D 10.5]. */
enum { form_raw, form_body, form_types, form_exports, form_elements, form_names, form_data, form_globals };

typedef struct {
  /** Where a run begins, and how far it moves. */
  int32_t at, shift;
} patch_run;

struct patch {
  span old;
  patch_emit emit;
  void *context;
  bool failed;
  uint8_t table_shift;
  uint32_t most_runs;

  /* The coder [D 3, D 10.4]. */
  uint32_t low, high, value;
  uint16_t input_at, input_end;
  uint8_t borrowed;
  bool started;
  uint32_t contexts[patch_inputs];

  /* Steps [D 10.3]. */
  uint8_t stage;
  uint32_t written, length;
  int32_t map_kind, map_left, map_at, map_shift, maps_used, map_ends[3];
  int32_t next_section, left, bodies, next_body, next_body_index, old_bodies, first_body, code_end, section_end;
  uint8_t history, one, two;
  bool moved;
  int32_t walk_left;

  /* The old bytes as the maps would have them [D 10.5]. */
  int32_t form, start, at, end, phase, count, op, immediate, address, place;
  uint8_t token_at, token_length, token_kind;
  uint8_t token[patch_token_bytes];

  int32_t weights[patch_inputs * patch_weight_sets];
  uint8_t input[patch_input_bytes];
  /** Then the runs, then the cells. */
  patch_run runs[];
};

static inline uint16_t *patch_cells(patch *p) { return (uint16_t *)(p->runs + p->most_runs); }

/** One bit in a context; one in all of `contexts`, mixed; numbers [D 10.4]. */
int coder_bit(patch *p, uint32_t context);
int coder_mix(patch *p, uint32_t node, uint32_t set);
uint32_t coder_tree(patch *p, uint32_t context, int bits);
uint32_t coder_mixed_tree(patch *p, uint32_t set, int bits);
uint32_t coder_uint(patch *p, uint32_t context);
int32_t coder_sint(patch *p, uint32_t context);
void coder_begin(patch *p);
void coder_start(patch *p);

uint8_t old_byte_at(const patch *p, int32_t offset);
uint32_t old_uleb(patch *p);
void old_open(patch *p, int form, int32_t start, int32_t end);
bool old_has(patch *p);
static inline uint8_t old_byte(const patch *p) { return p->token[p->token_at]; }
void old_advance(patch *p);
void old_seek(patch *p, int32_t place);
int32_t old_measure(patch *p);
/** One token in the form that is open. */
void old_read_token(patch *p);

/** Tokens [D 10.5]. */
uint8_t token_read_raw(patch *p, int kind);
int32_t token_read_leb(patch *p, int kind);
void token_read_count(patch *p);
bool token_read_stretch(patch *p, int kind);
void token_read_word(patch *p, int map);
int32_t token_read_opcode(patch *p);

/** Immediates of an opcode; −1 where this profile doesn't know it. The kind of the one at an index. */
int opcode_immediates(int32_t op);
int opcode_kind(int32_t op, int index);

#endif
