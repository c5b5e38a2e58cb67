#ifndef HYPHA_TOOLS_SPEC_H
#define HYPHA_TOOLS_SPEC_H

#include "load.h"

/* The suite's own host module: print functions, constants, a table and a memory. */
void spectest_begin(void);
enum wasm_error spectest_resolve(const struct wasm_import *import, struct wasm_extern *found);

/* Runs what wast2json made of a file of the official suite; answers the exit code. */
int spec_run(const char *path, const struct load_options *options);

#endif
