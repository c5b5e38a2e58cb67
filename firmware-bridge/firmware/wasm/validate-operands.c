#include "validate-code.h"

void wasm_push(struct body *b, uint8_t type) {
    if (b->operands + b->height >= (uint8_t *)b->pool || b->height >= WASM_MAXIMUM_HEIGHT) {
        fail(b->v, b->height >= WASM_MAXIMUM_HEIGHT ? wasm_error_implementation_limit : wasm_error_scratch);
        return;
    }
    b->operands[b->height++] = type;
    if (b->height > b->maximum_height) b->maximum_height = b->height;
}

uint8_t wasm_pop_any(struct body *b) {
    if (b->height > b->label->height) return b->operands[--b->height];
    if (!b->label->is_unreachable) fail(b->v, wasm_error_type);
    return ANY_TYPE;
}

void wasm_pop(struct body *b, uint8_t type) {
    uint8_t found = wasm_pop_any(b);
    if (found != type && found != ANY_TYPE && type != ANY_TYPE) fail(b->v, wasm_error_type);
}

void wasm_push_all(struct body *b, const uint8_t *types, uint32_t count) {
    for (uint32_t index = 0; index < count; index++) wasm_push(b, types[index]);
}

void wasm_pop_all(struct body *b, const uint8_t *types, uint32_t count) {
    while (count > 0) wasm_pop(b, types[--count]);
}

void wasm_check_top(struct body *b, const uint8_t *types, uint32_t count) {
    uint32_t height = b->height;
    while (count > 0) {
        count--;
        if (height == b->label->height) {
            if (!b->label->is_unreachable) fail(b->v, wasm_error_type);
            return;
        }
        uint8_t found = b->operands[--height];
        if (found != types[count] && found != ANY_TYPE) fail(b->v, wasm_error_type);
    }
}
