#ifndef HYPHA_TOOLS_JSON_H
#define HYPHA_TOOLS_JSON_H

/* As much of JSON as wast2json writes, into a tree that is never freed: the tool ends soon. */

#include <stdbool.h>
#include <stddef.h>

enum json_kind { json_other, json_string, json_number, json_array, json_object };

struct json {
    enum json_kind kind;
    /* Strings may hold zero bytes; there is one behind them too. Numbers and true, false, null as they are written. */
    const char *text;
    size_t length;
    /* Of members. */
    const char *key;
    struct json *first;
    struct json *next;
};

/* NULL if it isn't JSON. */
struct json *json_parse(const char *text, size_t length);
/* NULL if there is none. */
const struct json *json_get(const struct json *object, const char *key);
/* The empty string if there is none. */
const char *json_text(const struct json *object, const char *key);

#endif
