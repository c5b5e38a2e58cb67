#include "exports.h"

#include "../wasm/abi.h"

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
  uint32_t at;
  enum wasm_error error = wasm_lower_bytes(in, (struct host_bytes){bytes.at, bytes.length}, &at);
  *pointer = at;
  return error;
}

enum wasm_error exports_deliver(struct wasm_instance *in, span topic, span payload) {
  uint64_t values[5] = {0, topic.length, 0, payload.length};
  enum wasm_error error = give(in, topic, &values[0]);
  if (error == wasm_ok) error = give(in, payload, &values[2]);
  return error == wasm_ok ? call(in, INBOX_DELIVER, 4, 0, values) : error;
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
  uint8_t *area;
  struct host_bytes bytes;
  error = wasm_area(in, *result, 4, 8, &area);
  if (error == wasm_ok) error = wasm_lift_bytes(in, wasm_load_u32(area), wasm_load_u32(area + 4), &bytes);
  if (error == wasm_ok) *state = span_of(bytes.data, bytes.length);
  return error;
}

enum wasm_error exports_saved(struct wasm_instance *in, uint32_t result) { return post(in, "cabi_post_" STATE_SAVE, result); }

enum wasm_error exports_restore(struct wasm_instance *in, span from, span state, bool *taken) {
  uint64_t values[5] = {0, from.length, 0, state.length};
  enum wasm_error error = give(in, from, &values[0]);
  if (error == wasm_ok) error = give(in, state, &values[2]);
  if (error == wasm_ok) error = call(in, STATE_RESTORE, 4, 1, values);
  if (error != wasm_ok) return error;
  uint8_t *area;
  error = wasm_area(in, (uint32_t)values[0], 4, 12, &area);
  if (error != wasm_ok) return error;
  *taken = area[0] == 0;
  return post(in, "cabi_post_" STATE_RESTORE, (uint32_t)values[0]);
}
