import type { InterfaceType } from '@hypha/core/wasm/types.ts'
import { type GuestSpec, guestModule } from '../../support/sandbox-guest.ts'

/** An app's own interface: the payload's length, or an error in words. */
export const store: InterfaceType = {
  name: 'test:app/store@1.0.0',
  funcs: [
    {
      name: 'add',
      params: [{ name: 'text', type: 'string' }],
      result: { kind: 'result', ok: 'u32', err: 'string' },
    },
  ],
}

/** The same without a way to say that a call failed. */
export const plainStore: InterfaceType = {
  name: 'test:app/plain@1.0.0',
  funcs: [{ name: 'size', params: [{ name: 'text', type: 'string' }], result: 'u32' }],
}

const interfaces = [store, plainStore]

/** Answers how many texts it has seen, and emits the length of each; an empty text traps. */
export const keeper = (name = 'keeper', spec: GuestSpec = {}) =>
  guestModule(
    name,
    {
      interfaces,
      imports: ['host/kv#set', 'host/telemetry#emit'],
      exports: {
        'test:app/store@1.0.0#add': `
          (if (i32.eqz (local.get $p1)) (then unreachable))
          (call $kv.set (local.get $p0) (local.get $p1) (local.get $p0) (local.get $p1) (i32.const 512))
          (call $telemetry.emit (i32.const 8) (i32.const 4) (f64.convert_i32_u (local.get $p1)) (i32.const 512))
          (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
          (i32.store8 (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (global.get $seen))
          (i32.const 520)`,
        'test:app/plain@1.0.0#size': '(local.get $p1)',
      },
      fields: '(global $seen (mut i32) (i32.const 0)) (data (i32.const 8) "size")',
    },
    spec,
  )

/** Passes each payload on, and emits what came back: `count`, or `failed` with the length of the error; with the topic "trap" it traps the first time, after the call. */
export const caller = (name = 'caller', spec: GuestSpec = {}) =>
  guestModule(
    name,
    {
      interfaces,
      imports: ['test:app/store@1.0.0#add', 'host/telemetry#emit', 'host/log#write'],
      exports: {
        'module/inbox#deliver': `
          (call $store.add (local.get $p2) (local.get $p3) (i32.const 512))
          (if (i32.load8_u (i32.const 512))
            (then
              (call $log.write (i32.const 1) (i32.load (i32.const 516)) (i32.load (i32.const 520)))
              (call $telemetry.emit (i32.const 16) (i32.const 6) (f64.const 1) (i32.const 528)))
            (else
              (call $telemetry.emit (i32.const 8) (i32.const 5) (f64.convert_i32_u (i32.load (i32.const 516))) (i32.const 528))))
          (if (i32.eq (local.get $p1) (i32.const 4)) (then unreachable))`,
      },
      fields: '(data (i32.const 8) "count") (data (i32.const 16) "failed")',
    },
    spec,
  )

/** The same over the interface that can't say an error. */
export const plainCaller = (name = 'caller', spec: GuestSpec = {}) =>
  guestModule(
    name,
    {
      interfaces,
      imports: ['test:app/plain@1.0.0#size', 'host/telemetry#emit'],
      exports: {
        'module/inbox#deliver': `
          (call $telemetry.emit (i32.const 8) (i32.const 5)
            (f64.convert_i32_u (call $plain.size (local.get $p2) (local.get $p3))) (i32.const 528))`,
      },
      fields: '(data (i32.const 8) "count")',
    },
    spec,
  )
