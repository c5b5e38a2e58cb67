import { readFileSync } from 'node:fs'
import { wat } from '../../support/wasm-guest.ts'

const vector = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url)))

/** The greenhouse's alarm: written in C, with an inbox and kv. */
export const frostAlarm = vector('frost-alarm-new')
/** The greenhouse's sampler, before and after an edit. */
export const samplers = { old: vector('sampler-old'), now: vector('sampler-new') }

const emit = '(import "hypha:host/telemetry@0.1.0" "emit" (func $emit (param i32 i32 f64 i32)))'
const tick = '(export "hypha:module/timer@0.1.0#tick")'
/** Memory of 256 bytes: the metric's name at 16, results at 64, state at 128. */
const memory = (
  metric: string,
) => `(memory (export "memory") 1 1) (global (export "hypha_memory_end") i32 (i32.const 1024))
  (data (i32.const 16) "${metric}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 256))`

/** Counts its ticks, emits the count, and carries it over as its state; each begins to count a step of its own. */
export const counter = (step: number) =>
  wat(`(module ${emit} ${memory('count')}
    (global $count (mut i32) (i32.const 0))
    (func ${tick} (param i64)
      (global.set $count (i32.add (global.get $count) (i32.const ${step})))
      (call $emit (i32.const 16) (i32.const 5) (f64.convert_i32_s (global.get $count)) (i32.const 64)))
    (func (export "hypha:module/state@0.1.0#save") (result i32)
      (i32.store (i32.const 128) (global.get $count))
      (i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const 4)) (i32.const 64))
    (func (export "hypha:module/state@0.1.0#restore") (param i32 i32 i32 i32) (result i32)
      (global.set $count (i32.load (local.get 2))) (i32.store8 (i32.const 64) (i32.const 0)) (i32.const 64)))`)

/** Keeps one byte in kv: finds `first` where there is none, emits what it found, and writes `next` where that is given; then does what the tick says. */
export const keeper = (first: number, next: number | null, more = '') =>
  wat(`(module ${emit}
    (import "hypha:host/kv@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "hypha:host/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
    ${memory('kept')}
    (global $ticks (mut i32) (i32.const 0))
    (func $keep (param i32) (i32.store8 (i32.const 48) (local.get 0)) (call $set (i32.const 16) (i32.const 4) (i32.const 48) (i32.const 1) (i32.const 96)))
    (func ${tick} (param i64)
      (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
      (call $get (i32.const 16) (i32.const 4) (i32.const 80))
      (if (i32.eqz (i32.load8_u (i32.const 80))) (then (call $keep (i32.const ${first})))
        (else (call $emit (i32.const 16) (i32.const 4) (f64.convert_i32_u (i32.load8_u (i32.load (i32.const 84)))) (i32.const 64))))
      ${next === null ? '' : `(call $keep (i32.const ${next}))`} ${more}))`)

/** Emits, and does something bad in the tick with the number. */
export const bad = (body: string, at = 3, more = '') =>
  wat(`(module ${emit} ${more} ${memory('count')}
    (global $count (mut i32) (i32.const 0))
    (func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func ${tick} (param i64)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (call $emit (i32.const 16) (i32.const 5) (f64.convert_i32_s (global.get $count)) (i32.const 64))
      (if (i32.ge_u (global.get $count) (i32.const ${at})) (then ${body}))))`)
