#include "interpret.h"

#include <string.h>

/* Room for a function's arguments and results, and the slot that the interpreter keeps free below operands. */
static uint32_t value_slots(const struct wasm_table_function *function) {
    uint32_t widest = function->params > function->results ? function->params : function->results;
    return widest + 1u;
}

static enum wasm_error call_other(struct wasm_instance *from, struct wasm_instance *to, uint32_t function, uint64_t *values) {
    uint16_t depth = to->depth;
    to->depth = from->depth;
    wasm_return_fuel(from);
    to->fuel = from->fuel;
    enum wasm_error error = wasm_call(to, function, values);
    from->fuel = to->fuel;
    to->depth = depth;
    if (error != wasm_ok) from->trapped_at = to->trapped_at;
    return error;
}

enum wasm_error wasm_call_import(struct wasm_instance *instance, uint32_t function, uint64_t *values) {
    const struct wasm_function_import *import = instance->imports + function;
    uint64_t *sp = instance->sp;
    uint64_t *free = values + value_slots(wasm_functions(instance->module) + function);
    if (instance->may_not_leave) return wasm_error_trap_leave;
    if (free >= instance->stack_end) return wasm_error_trap_stack;
    instance->sp = free;
    enum wasm_error error =
        import->call != NULL ? import->call(instance, import->context, values) : call_other(instance, import->context, import->index, values);
    instance->sp = sp;
    return error;
}

static bool same_types(struct wasm_signature a, struct wasm_signature b) {
    return a.param_count == b.param_count && a.result_count == b.result_count && memcmp(a.params, b.params, a.param_count) == 0 &&
           memcmp(a.results, b.results, a.result_count) == 0;
}

enum wasm_error wasm_call_foreign(struct wasm_instance *instance, uint32_t ref, uint32_t type, uint64_t *values) {
    struct wasm_instance *other = instance->store->instances[ref >> WASM_REF_BITS];
    uint32_t function = ref & ((1u << WASM_REF_BITS) - 1);
    struct wasm_signature signature = wasm_type_signature(instance->module, type);
    if (!same_types(signature, wasm_signature_of(other->module, function))) return wasm_error_trap_indirect;
    uint64_t *sp = instance->sp;
    uint64_t *free = values + (signature.param_count > signature.result_count ? signature.param_count : signature.result_count) + 1;
    if (free >= instance->stack_end) return wasm_error_trap_stack;
    instance->sp = free;
    enum wasm_error error = call_other(instance, other, function, values);
    instance->sp = sp;
    return error;
}

enum wasm_error wasm_call(struct wasm_instance *instance, uint32_t function, uint64_t *values) {
    const struct wasm_module *module = instance->module;
    if (function >= module->functions) return wasm_error_unknown_export;
    const struct wasm_table_function *entry = wasm_functions(module) + function;
    uint64_t *sp = instance->sp;
    if (instance->depth >= instance->maximum_depth || (size_t)(instance->stack_end - sp) <= value_slots(entry))
        return wasm_error_trap_stack;
    memcpy(sp + 1, values, entry->params * sizeof *values);
    instance->depth++;
    enum wasm_error error = function < module->imported_functions ? wasm_call_import(instance, function, sp + 1)
                                                                  : wasm_interpret(instance, entry, sp + entry->params);
    instance->depth--;
    instance->sp = sp;
    if (error == wasm_ok) memcpy(values, sp + 1, entry->results * sizeof *values);
    return error;
}
