// The calls that a board makes of a module, by the canonical ABI: texts and lists go into memory that the module's own cabi_realloc gives.
#ifndef HYPHA_EXPORTS_H
#define HYPHA_EXPORTS_H

#include "../base/bytes.h"
#include "../wasm/wasm.h"

bool exports_has(const struct wasm_module *module, const char *name);
/** Calls an export without arguments, or with one number; what isn't exported is passed over. */
enum wasm_error exports_call(struct wasm_instance *in, const char *name, const uint64_t *argument);
/** `deliver: func(topic: string, payload: list<u8>)`. */
enum wasm_error exports_deliver(struct wasm_instance *in, span topic, span payload);
/** `save: func() -> list<u8>`: where the state lies in the module's memory; ended with exports_saved. */
enum wasm_error exports_save(struct wasm_instance *in, span *state, uint32_t *result);
enum wasm_error exports_saved(struct wasm_instance *in, uint32_t result);
/** `restore: func(from-release: string, state: list<u8>) -> result<_, string>`: whether it took it. */
enum wasm_error exports_restore(struct wasm_instance *in, span from, span state, bool *taken);

#define TIMER_TICK "hypha:module/timer@0.1.0#tick"
#define LIFECYCLE_START "hypha:module/lifecycle@0.1.0#start"
#define LIFECYCLE_STOP "hypha:module/lifecycle@0.1.0#stop"
#define INBOX_DELIVER "hypha:module/inbox@0.1.0#deliver"
#define STATE_SAVE "hypha:module/state@0.1.0#save"
#define STATE_RESTORE "hypha:module/state@0.1.0#restore"

#endif
