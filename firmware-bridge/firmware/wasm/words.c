#include "wasm.h"

const char *wasm_error_words(enum wasm_error error) {
    static const char *const words[] = {
        "ok",
#define WASM_ERROR_WORDS(name, text) text,
        WASM_INVALID(WASM_ERROR_WORDS)
        WASM_FAILURES(WASM_ERROR_WORDS)
    };
    return (size_t)error < sizeof words / sizeof *words ? words[error] : "unknown error";
}

const char *wasm_failure_words(enum wasm_error error) {
    /* One after the other: half of what a table of pointers takes. */
#define WASM_FAILURE_TEXT(name, text) text "\0"
    static const char words[] = WASM_FAILURES(WASM_FAILURE_TEXT);
    if (error < wasm_error_stale_side_table || error > wasm_error_trap_host) return "it isn't valid";
    const char *at = words;
    for (int left = (int)error - wasm_error_stale_side_table; left > 0; left--)
        while (*at++ != 0) continue;
    return at;
}
