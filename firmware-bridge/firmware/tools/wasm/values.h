#ifndef HYPHA_TOOLS_VALUES_H
#define HYPHA_TOOLS_VALUES_H

/* Values as people and wast2json write them. */

#include "../../wasm/wasm.h"

#include <stdio.h>

const char *type_name(uint8_t type);
/* From what stands on a command line: 5, -3, 0x10, 1.5, nan, inf. False if it isn't one. */
bool value_parse(uint8_t type, const char *text, uint64_t *value);
/* `i32:5`; floats with all their digits, NaNs with their bits. */
void value_print(FILE *file, uint8_t type, uint64_t value);

#endif
