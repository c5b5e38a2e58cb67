#ifndef HYPHA_WASM_OPCODES_H
#define HYPHA_WASM_OPCODES_H

/* What the interpreter does at each opcode of one byte; several do the same. */
#define WASM_OPCODES(X)                                                                                                                  \
    X(0x00, unreachable) X(0x01, nop) X(0x02, block) X(0x03, block) X(0x04, if) X(0x05, else) X(0x0b, end) X(0x0c, br)                   \
    X(0x0d, br_if) X(0x0e, br_table) X(0x0f, return) X(0x10, call) X(0x11, call_indirect) X(0x1a, drop) X(0x1b, select)                  \
    X(0x1c, select_typed) X(0x20, local_get) X(0x21, local_set) X(0x22, local_tee) X(0x23, global_get) X(0x24, global_set)               \
    X(0x25, table_get) X(0x26, table_set) X(0x28, load_32) X(0x29, load_64) X(0x2a, load_32) X(0x2b, load_64)                            \
    X(0x2c, i32_load8_s) X(0x2d, load8_u) X(0x2e, i32_load16_s) X(0x2f, load16_u) X(0x30, i64_load8_s) X(0x31, load8_u)                  \
    X(0x32, i64_load16_s) X(0x33, load16_u) X(0x34, i64_load32_s) X(0x35, i64_load32_u) X(0x36, store_32) X(0x37, store_64)                   \
    X(0x38, store_32) X(0x39, store_64) X(0x3a, store_8) X(0x3b, store_16) X(0x3c, store_8) X(0x3d, store_16)                            \
    X(0x3e, store_32) X(0x3f, memory_size) X(0x40, memory_grow) X(0x41, i32_const) X(0x42, i64_const) X(0x43, f32_const)                 \
    X(0x44, f64_const) X(0x45, i32_eqz) X(0x46, i32_eq) X(0x47, i32_ne) X(0x48, i32_lt_s) X(0x49, i32_lt_u)                              \
    X(0x4a, i32_gt_s) X(0x4b, i32_gt_u) X(0x4c, i32_le_s) X(0x4d, i32_le_u) X(0x4e, i32_ge_s) X(0x4f, i32_ge_u)                          \
    X(0x50, i64_eqz) X(0x51, i64_eq) X(0x52, i64_ne) X(0x53, i64_lt_s) X(0x54, i64_lt_u) X(0x55, i64_gt_s)                               \
    X(0x56, i64_gt_u) X(0x57, i64_le_s) X(0x58, i64_le_u) X(0x59, i64_ge_s) X(0x5a, i64_ge_u) X(0x5b, f32_eq)                            \
    X(0x5c, f32_ne) X(0x5d, f32_lt) X(0x5e, f32_gt) X(0x5f, f32_le) X(0x60, f32_ge) X(0x61, f64_eq) X(0x62, f64_ne)                      \
    X(0x63, f64_lt) X(0x64, f64_gt) X(0x65, f64_le) X(0x66, f64_ge) X(0x67, i32_clz) X(0x68, i32_ctz) X(0x69, i32_popcnt)                \
    X(0x6a, i32_add) X(0x6b, i32_sub) X(0x6c, i32_mul) X(0x6d, i32_div_s) X(0x6e, i32_div_u) X(0x6f, i32_rem_s)                          \
    X(0x70, i32_rem_u) X(0x71, i32_and) X(0x72, i32_or) X(0x73, i32_xor) X(0x74, i32_shl) X(0x75, i32_shr_s)                             \
    X(0x76, i32_shr_u) X(0x77, i32_rotl) X(0x78, i32_rotr) X(0x79, i64_clz) X(0x7a, i64_ctz) X(0x7b, i64_popcnt)                         \
    X(0x7c, i64_add) X(0x7d, i64_sub) X(0x7e, i64_mul) X(0x7f, i64_div_s) X(0x80, i64_div_u) X(0x81, i64_rem_s)                          \
    X(0x82, i64_rem_u) X(0x83, i64_and) X(0x84, i64_or) X(0x85, i64_xor) X(0x86, i64_shl) X(0x87, i64_shr_s)                             \
    X(0x88, i64_shr_u) X(0x89, i64_rotl) X(0x8a, i64_rotr) X(0x8b, f32_abs) X(0x8c, f32_neg) X(0x8d, f32_ceil)                           \
    X(0x8e, f32_floor) X(0x8f, f32_trunc) X(0x90, f32_nearest) X(0x91, f32_sqrt) X(0x92, f32_add) X(0x93, f32_sub)                       \
    X(0x94, f32_mul) X(0x95, f32_div) X(0x96, f32_min) X(0x97, f32_max) X(0x98, f32_copysign) X(0x99, f64_abs)                           \
    X(0x9a, f64_neg) X(0x9b, f64_ceil) X(0x9c, f64_floor) X(0x9d, f64_trunc) X(0x9e, f64_nearest) X(0x9f, f64_sqrt)                      \
    X(0xa0, f64_add) X(0xa1, f64_sub) X(0xa2, f64_mul) X(0xa3, f64_div) X(0xa4, f64_min) X(0xa5, f64_max)                                \
    X(0xa6, f64_copysign) X(0xa7, nop) X(0xa8, i32_trunc_f32_s) X(0xa9, i32_trunc_f32_u) X(0xaa, i32_trunc_f64_s)                        \
    X(0xab, i32_trunc_f64_u) X(0xac, i64_extend_s) X(0xad, i64_extend_u) X(0xae, i64_trunc_f32_s) X(0xaf, i64_trunc_f32_u)               \
    X(0xb0, i64_trunc_f64_s) X(0xb1, i64_trunc_f64_u) X(0xb2, f32_convert_i32_s) X(0xb3, f32_convert_i32_u)                              \
    X(0xb4, f32_convert_i64_s) X(0xb5, f32_convert_i64_u) X(0xb6, f32_demote) X(0xb7, f64_convert_i32_s)                                 \
    X(0xb8, f64_convert_i32_u) X(0xb9, f64_convert_i64_s) X(0xba, f64_convert_i64_u) X(0xbb, f64_promote) X(0xbc, nop)                   \
    X(0xbd, nop) X(0xbe, nop) X(0xbf, nop) X(0xc0, i32_extend8_s) X(0xc1, i32_extend16_s) X(0xc2, i64_extend8_s)                         \
    X(0xc3, i64_extend16_s) X(0xc4, i64_extend_s) X(0xd0, ref_null) X(0xd1, ref_is_null) X(0xd2, ref_func)                               \
    X(0xfc, prefixed)

/* From one to another: those that aren't there. No valid module has them; they trap all the same. */
#define WASM_ILLEGAL_OPCODES(X) X(0x06, 0x0a) X(0x12, 0x19) X(0x1d, 0x1f) X(0x27, 0x27) X(0xc5, 0xcf) X(0xd3, 0xfb) X(0xfd, 0xff)

#endif
