#ifndef HYPHA_WASM_INTERPRET_H
#define HYPHA_WASM_INTERPRET_H

#include "instance.h"

/* Runs a function whose last argument is at `sp`; its results are where its arguments were. */
enum wasm_error wasm_interpret(struct wasm_instance *instance, const struct wasm_table_function *callee, uint64_t *sp);

#endif
