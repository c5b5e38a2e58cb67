#include "exports.h"

static bool find(const struct wasm_module *module, const char *name, uint32_t *function) {
  struct wasm_export found;
  if (!wasm_find_export(module, name, (uint32_t)strlen(name), &found) || found.kind != wasm_kind_function) return false;
  *function = found.index;
  return true;
}

bool exports_has(const struct wasm_module *module, const char *name) {
  uint32_t function;
  return find(module, name, &function);
}

/** Calls an export of this many parameters, results 0 or 1; another signature would read values that aren't there. */
static enum wasm_error call(struct wasm_instance *in, const char *name, uint32_t params, uint32_t results, uint64_t *values) {
  uint32_t function;
  if (!find(in->module, name, &function)) return wasm_error_unknown_export;
  struct wasm_signature signature = wasm_signature_of(in->module, function);
  if (signature.param_count != params || signature.result_count != results) return wasm_error_signature;
  return wasm_call(in, function, values);
}

enum wasm_error exports_call(struct wasm_instance *in, const char *name, const uint64_t *argument) {
  uint64_t values[2] = {argument != NULL ? *argument : 0};
  return exports_has(in->module, name) ? call(in, name, argument != NULL, 0, values) : wasm_ok;
}

/** Copies bytes into memory that the module allocates. */
static enum wasm_error give(struct wasm_instance *in, span bytes, uint64_t *pointer) {
  uint64_t values[4] = {0, 0, 1, bytes.length};
  *pointer = 1;
  if (bytes.length == 0) return wasm_ok;
  // It may not call out while it allocates (Canonical ABI, `may_leave`).
  in->may_not_leave = true;
  enum wasm_error error = call(in, "cabi_realloc", 4, 1, values);
  in->may_not_leave = false;
  if (error != wasm_ok) return error;
  uint32_t at = (uint32_t)values[0];
  if (at == 0) return wasm_error_trap_allocation;
  if (at > in->memory->bytes || bytes.length > in->memory->bytes - at) return wasm_error_trap_pointer;
  memcpy(in->memory->data + at, bytes.at, bytes.length);
  *pointer = at;
  return wasm_ok;
}

enum wasm_error exports_deliver(struct wasm_instance *in, span topic, span payload) {
  uint64_t values[5] = {0, topic.length, 0, payload.length};
  enum wasm_error error = give(in, topic, &values[0]);
  if (error == wasm_ok) error = give(in, payload, &values[2]);
  return error == wasm_ok ? call(in, INBOX_DELIVER, 4, 0, values) : error;
}

/** Bytes of the module's memory; none where they aren't all in it. */
static const uint8_t *look(const struct wasm_instance *in, uint32_t at, uint32_t length) {
  return in->memory == NULL || at > in->memory->bytes || length > in->memory->bytes - at ? NULL : in->memory->data + at;
}

static enum wasm_error post(struct wasm_instance *in, const char *name, uint32_t result) {
  uint64_t values[2] = {result};
  return exports_has(in->module, name) ? call(in, name, 1, 0, values) : wasm_ok;
}

enum wasm_error exports_save(struct wasm_instance *in, span *state, uint32_t *result) {
  uint64_t values[2] = {0};
  enum wasm_error error = call(in, STATE_SAVE, 0, 1, values);
  if (error != wasm_ok) return error;
  *result = (uint32_t)values[0];
  const uint8_t *area = look(in, *result, 8);
  if (area == NULL || *result % 4 != 0) return wasm_error_trap_pointer;
  state->length = load32(area + 4);
  state->at = look(in, load32(area), state->length);
  return state->at == NULL ? wasm_error_trap_pointer : wasm_ok;
}

enum wasm_error exports_saved(struct wasm_instance *in, uint32_t result) { return post(in, "cabi_post_" STATE_SAVE, result); }

enum wasm_error exports_restore(struct wasm_instance *in, span from, span state, bool *taken) {
  uint64_t values[5] = {0, from.length, 0, state.length};
  enum wasm_error error = give(in, from, &values[0]);
  if (error == wasm_ok) error = give(in, state, &values[2]);
  if (error == wasm_ok) error = call(in, STATE_RESTORE, 4, 1, values);
  if (error != wasm_ok) return error;
  uint32_t result = (uint32_t)values[0];
  const uint8_t *area = look(in, result, 1);
  if (area == NULL) return wasm_error_trap_pointer;
  *taken = area[0] == 0;
  return post(in, "cabi_post_" STATE_RESTORE, result);
}
