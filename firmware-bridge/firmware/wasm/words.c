#include "wasm.h"

const char *wasm_error_words(enum wasm_error error) {
    static const char *const words[] = {
        "ok",
#define WASM_ERROR_WORDS(name, text) text,
        WASM_ERRORS(WASM_ERROR_WORDS)
#undef WASM_ERROR_WORDS
    };
    return (size_t)error < sizeof words / sizeof *words ? words[error] : "unknown error";
}
