import { readFileSync } from 'node:fs'
import { analyse } from '@hypha/core/wasm/analyse.ts'
import type { RunnableModule } from '../../agent/turns.ts'
import { type GuestSpec, limitsOf } from './sandbox-guest.ts'
import { jco, wat } from './wasm-guest.ts'

/** Bodies of the core functions of the guest below, in WAT; they may call the imports, `$twice` and each other. */
export interface ComponentSource {
  readonly tick?: string
  readonly deliver?: string
  readonly save?: string
  readonly restore?: string
  /** Pages of the memory, as in WAT. */
  readonly memory?: string
}

/**
 * A component that has no core form: a library that owns the memory and another core module that does the work, its texts in UTF-16. What it
 * can call: `$emit` (metric, value), `$read` (sensor), `$write` (level, text), `$set` (key, value), `$publish` (topic, payload), as
 * lowered by the canonical ABI, and `$twice` of the library. Memory below 1024 is the test's own; results are passed at 512.
 */
export async function componentGuest(
  name: string,
  source: ComponentSource,
  spec: GuestSpec = {},
): Promise<RunnableModule> {
  return asModule(name, await wat(componentText(source)), spec)
}

function asModule(name: string, bytes: Uint8Array, spec: GuestSpec): RunnableModule {
  const { analysis, core } = analyse(bytes)
  if (core !== null) throw new Error('the guest has a core form')
  return {
    name,
    form: 'component',
    bytes,
    digest: name,
    world: analysis.world,
    limits: limitsOf({ turnMs: 10_000 }),
    timerMs: null,
    subscribe: [],
    publish: [],
    httpHosts: [],
    isolate: false,
    ...spec,
  }
}

const lowered = 'string-encoding=utf16 (memory (core memory $l "memory")) (realloc (core func $l "realloc"))'

/** UTF-16, as it stands in a data segment. */
const utf16 = (text: string): string => [...text].map((letter) => `${letter}\\00`).join('')

export function componentText({ tick, deliver, save, restore, memory = '1' }: ComponentSource): string {
  return `(component
  (import "hypha:host/telemetry@0.1.0" (instance $telemetry
    (type $emit-error (enum "throttled" "invalid-metric" "too-many-metrics"))
    (export "emit-error" (type $error (eq $emit-error)))
    (export "emit" (func (param "metric" string) (param "value" f64) (result (result (error $error)))))))
  (import "hypha:host/sensor@0.1.0" (instance $sensor
    (type $sensor-error (enum "unknown" "unavailable" "timeout"))
    (export "sensor-error" (type $error (eq $sensor-error)))
    (export "read" (func (param "name" string) (result (result f64 (error $error)))))))
  (import "hypha:host/kv@0.1.0" (instance $kv
    (type $kv-error (enum "quota" "key-too-long"))
    (export "kv-error" (type $error (eq $kv-error)))
    (export "set" (func (param "key" string) (param "value" (list u8)) (result (result (error $error)))))))

  (core module $lib
    (memory (export "memory") ${memory})
    (global $heap (mut i32) (i32.const 32768))
    (data (i32.const 16) "${utf16('twice')}")
    (data (i32.const 32) "${utf16('chip')}")
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $heap))
      (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
      (local.get $at))
    (func (export "twice") (param f64) (result f64) (f64.mul (local.get 0) (f64.const 2))))
  (core instance $l (instantiate $lib))

  (core func $emit (canon lower (func $telemetry "emit") ${lowered}))
  (core func $read (canon lower (func $sensor "read") ${lowered}))
  (core func $set (canon lower (func $kv "set") ${lowered}))
  (core instance $host (export "emit" (func $emit)) (export "read" (func $read)) (export "set" (func $set)))

  (core module $main
    (import "lib" "twice" (func $twice (param f64) (result f64)))
    (import "lib" "memory" (memory 1))
    (import "host" "emit" (func $emit (param i32 i32 f64 i32)))
    (import "host" "read" (func $read (param i32 i32 i32)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i32)))
    (func $emit-twice (param f64) (call $emit (i32.const 16) (i32.const 5) (call $twice (local.get 0)) (i32.const 512)))
    (global $state (mut i32) (i32.const 0))
    (func (export "tick") (param $now i64) ${tick ?? ''})
    (func (export "deliver") (param $topic i32) (param $topic-units i32) (param $at i32) (param $size i32) ${deliver ?? ''})
    (func (export "save") (result i32) ${save ?? '(i64.store (i32.const 600) (i64.const 0)) (i32.const 600)'})
    (func (export "restore") (param $from i32) (param $from-units i32) (param $at i32) (param $size i32) (result i32)
      ${restore ?? '(i32.store8 (i32.const 620) (i32.const 0)) (i32.const 620)'}))
  (core instance $m (instantiate $main (with "lib" (instance $l)) (with "host" (instance $host))))

  ${exported('timer', { tick: '(param "now-ms" u64)' })}
  ${exported('inbox', { deliver: '(param "topic" string) (param "payload" (list u8))' })}
  ${exported('state', {
    save: '(result (list u8))',
    restore: '(param "from-release" string) (param "state" (list u8)) (result (result (error string)))',
  })})`
}

function exported(name: string, funcs: Readonly<Record<string, string>>): string {
  const lifted = Object.entries(funcs).map(
    ([func, type]) => `(func $${func} ${type} (canon lift (core func $m "${func}") ${lowered}))`,
  )
  const items = Object.keys(funcs).map((func) => `(export "${func}" (func $${func}))`)
  return `${lifted.join('\n  ')}
  (instance $${name} ${items.join(' ')})
  (export "hypha:module/${name}@0.1.0" (instance $${name}))`
}

/** A component without a core form that exports `test:app/math@1.0.0`: `half: func(value: u32) -> result<u32, string>`, an error for odd values. */
export async function halvingGuest(name: string): Promise<RunnableModule> {
  const text = `(component
    (core module $lib (memory (export "memory") 1) (data (i32.const 16) "${utf16('odd')}"))
    (core instance $l (instantiate $lib))
    (core module $main
      (import "lib" "memory" (memory 1))
      (func (export "half") (param $value i32) (result i32)
        (if (i32.and (local.get $value) (i32.const 1))
          (then (i32.store (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 16)) (i32.store (i32.const 520) (i32.const 3)))
          (else (i32.store (i32.const 512) (i32.const 0)) (i32.store (i32.const 516) (i32.shr_u (local.get $value) (i32.const 1)))))
        (i32.const 512)))
    (core instance $m (instantiate $main (with "lib" (instance $l))))
    (func $half (param "value" u32) (result (result u32 (error string)))
      (canon lift (core func $m "half") string-encoding=utf16 (memory (core memory $l "memory"))))
    (instance $math (export "half" (func $half)))
    (export "test:app/math@1.0.0" (instance $math)))`
  return asModule(name, await wat(text), {})
}

const adapterWit = `package test:adapter;
package hypha:host@0.1.0 {
  interface telemetry {
    enum emit-error { throttled, invalid-metric, too-many-metrics }
    emit: func(metric: string, value: f64) -> result<_, emit-error>;
  }
}
package hypha:module@0.1.0 {
  interface inbox { deliver: func(topic: string, payload: list<u8>); }
}
world w {
  import hypha:host/telemetry@0.1.0;
  export hypha:module/inbox@0.1.0;
}`

/**
 * A component as toolchains of WASI preview 1 make it: a core module, and their adapter to WASI 0.2, which is another. `deliver` may call `$emit`,
 * `$random`, `$clock`, `$write` and `$exit`.
 */
export async function adaptedGuest(name: string, deliver: string): Promise<RunnableModule> {
  const { componentEmbed, componentNew, preview1AdapterReactorPath } = await jco()
  const binary = await wat(`(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "hypha:host/telemetry@0.1.0" "emit" (func $emit (param i32 i32 f64 i32)))
    (memory (export "memory") 8)
    (data (i32.const 16) "m")
    (global $heap (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
      global.get $heap
      (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get $size)) (i32.const 7)) (i32.const -8))))
    (func (export "hypha:module/inbox@0.1.0#deliver") (param i32 i32) (param $at i32) (param i32) ${deliver}))`)
  const embedded = await componentEmbed({ binary, witSource: adapterWit, world: 'w' })
  const adapter = readFileSync(preview1AdapterReactorPath())
  return asModule(name, await componentNew(embedded, [['wasi_snapshot_preview1', adapter]]), {})
}
