import { HyphaError } from '@hypha/core/errors.ts'
import { analyse } from '@hypha/core/wasm/analyse.ts'
import { extractCore } from '@hypha/core/wasm/extract.ts'
import { checkWasi, decideWasi } from '@hypha/core/wasm/wasi.ts'
import { describe, expect, it } from 'vitest'
import { componentOf, dummyComponent, engineSees, wat } from '../../support/wasm-guest.ts'

const allocator = '(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))'

const sensorWit = `package hypha:host@0.1.0;
interface sensor {
  enum error { none, gone }
  record reading { at-ms: u64, %value: f64 }
  read: func(name: string) -> result<reading, error>;
  %list: func() -> list<string>;
}`

const timerWit = `interface timer {
  use sensor.{reading};
  tick: func(now-ms: u64);
  last: func() -> option<reading>;
}
world w { import sensor; import log: func(text: string); export timer; export start: func(); }`

const timerCore = `(module
  (import "hypha:host/sensor@0.1.0" "read" (func (param i32 i32 i32)))
  (import "$root" "log" (func (param i32 i32)))
  (memory (export "memory") 2)
  (global (export "hypha_memory_end") i32 (i32.const 8192))
  ${allocator}
  (func (export "_initialize"))
  (func (export "hypha:host/timer@0.1.0#tick") (param i64))
  (func (export "hypha:host/timer@0.1.0#last") (result i32) (i32.const 1024))
  (func (export "start")))`

async function codeOf(run: () => unknown): Promise<HyphaError> {
  try {
    await run()
  } catch (error) {
    if (error instanceof HyphaError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the analysis of a component', () => {
  it('names every interface with its version, its functions and their types', async () => {
    const core = await wat(timerCore)
    const component = await componentOf(core, sensorWit + timerWit)
    const { analysis } = analyse(component)
    const reading = {
      kind: 'record',
      name: 'reading',
      fields: [
        { name: 'at-ms', type: 'u64' },
        { name: 'value', type: 'f64' },
      ],
    }
    expect(analysis.world).toEqual({
      imports: [
        { name: '$root', funcs: [{ name: 'log', params: [{ name: 'text', type: 'string' }], result: null }] },
        {
          name: 'hypha:host/sensor@0.1.0',
          funcs: [
            {
              name: 'read',
              params: [{ name: 'name', type: 'string' }],
              result: { kind: 'result', ok: reading, err: { kind: 'enum', name: 'error', cases: ['none', 'gone'] } },
            },
          ],
        },
      ],
      exports: [
        { name: '$root', funcs: [{ name: 'start', params: [], result: null }] },
        {
          name: 'hypha:host/timer@0.1.0',
          funcs: [
            { name: 'last', params: [], result: { kind: 'option', of: reading } },
            { name: 'tick', params: [{ name: 'now-ms', type: 'u64' }], result: null },
          ],
        },
      ],
    })
    expect(analysis.memory).toEqual({ initialBytes: 131_072, maximumBytes: null, endBytes: 8192 })
    expect(analysis.componentBytes).toBe(component.length)
    expect(analysis.features).toEqual([])
  })

  it('finds the core form: the module that the author built, with another producers section at most', async () => {
    const core = await wat(timerCore)
    const found = extractCore(await componentOf(core, sensorWit + timerWit))!
    expect(engineSees(found)).toEqual(engineSees(core))
  })
})

describe('hypha_memory_end', () => {
  const withGlobal = (global: string): Promise<Uint8Array> =>
    wat(`(module (memory (export "memory") 1 2) ${global} (func (export "go")))`).then((core) =>
      componentOf(core, 'package a:b; world w { export go: func(); }'),
    )

  it('is absent without the global, and the maximum is the memory section’s', async () => {
    expect(analyse(await withGlobal('')).analysis.memory).toEqual({
      initialBytes: 65_536,
      maximumBytes: 131_072,
      endBytes: null,
    })
  })

  it.each([
    ['beyond the initial memory', '(global (export "hypha_memory_end") i32 (i32.const 65537))'],
    ['mutable', '(global (export "hypha_memory_end") (mut i32) (i32.const 4096))'],
    ['of 64 bits', '(global (export "hypha_memory_end") i64 (i64.const 4096))'],
    ['a function', '(func (export "hypha_memory_end"))'],
  ])('is refused when it is %s', async (_, global) => {
    const component = await withGlobal(global)
    expect((await codeOf(() => analyse(component))).code).toBe('wasm-memory')
  })
})

describe('a component without a core form', () => {
  it('is one with two core modules that define memories', async () => {
    const component = await wat(`(component
      (core module $a (memory (export "memory") 1))
      (core module $b (memory (export "memory") 1))
      (core instance (instantiate $a)) (core instance (instantiate $b)))`)
    expect(analyse(component)).toMatchObject({
      core: null,
      whyNoCore: '2 of its core modules define a memory',
      analysis: { coreBytes: null, memory: { initialBytes: 131_072, maximumBytes: null, endBytes: null } },
    })
  })

  it('is one whose main module imports from another core module', async () => {
    const component = await wat(`(component
      (core module $helper (func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
      (core module $main (import "helper" "add" (func (param i32) (result i32))) (memory (export "memory") 1))
      (core instance $h (instantiate $helper))
      (core instance (instantiate $main (with "helper" (instance $h)))))`)
    expect(analyse(component).whyNoCore).toMatch(/adapters/)
  })

  it('is one whose import is wired to another function than its name says', async () => {
    const component = await wat(`(component
      (import "a" (func $a)) (import "b" (func $b))
      (core func $lowered (canon lower (func $b)))
      (core instance $root (export "a" (func $lowered)))
      (core module $main (import "$root" "a" (func)) (memory (export "memory") 1))
      (core instance (instantiate $main (with "$root" (instance $root)))))`)
    expect(analyse(component).whyNoCore).toMatch(/under another name/)
  })
})

describe('what cannot cross by value', () => {
  it.each([
    [
      'a resource',
      'resource file { read: func() -> u8; } open: func() -> file;',
      /\[method\]file\.read has the handle borrow<file>, which cannot cross by value/,
    ],
    ['a borrowed resource', 'resource file; use-it: func(f: borrow<file>);', /use-it has the handle borrow<file>/],
    ['a resource within a list', 'resource file; all: func() -> list<file>;', /all has the handle own<file>/],
  ])('%s is refused with the interface and the type', async (_, body, message) => {
    const component = await dummyComponent(
      `package my:app@1.0.0; interface files { ${body} } world w { import files; export go: func(); }`,
    )
    const error = await codeOf(() => analyse(component))
    expect(error.code).toBe('wit-type-unsupported')
    expect(error.message).toMatch(message)
    expect(error.message).toContain('my:app/files@1.0.0')
  })
})

describe('WASI imports', () => {
  const wit = `package my:app@1.0.0;
    world w { import wasi:cli/stdout@0.2.3; import wasi:io/streams@0.2.3; import wasi:filesystem/types@0.2.3; export go: func(); }
    package wasi:io@0.2.3 { interface streams { resource output-stream { flush: func(); } } }
    package wasi:cli@0.2.3 { interface stdout { use wasi:io/streams@0.2.3.{output-stream}; get-stdout: func() -> output-stream; } }
    package wasi:filesystem@0.2.3 { interface types { resource descriptor { sync: func(); } root: func() -> descriptor; } }`

  async function component(imports: string): Promise<Uint8Array> {
    return componentOf(
      await wat(`(module ${imports} (memory (export "memory") 1) ${allocator} (func (export "go")))`),
      wit,
    )
  }

  const stdout = `(import "wasi:cli/stdout@0.2.3" "get-stdout" (func (result i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.flush" (func (param i32)))
    (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func (param i32)))`

  it('of resources keep their names, and the module keeps its core form', async () => {
    const { analysis, core } = analyse(await component(stdout))
    expect(analysis.world.imports).toEqual([
      { name: 'wasi:cli/stdout@0.2.3', funcs: [] },
      { name: 'wasi:io/streams@0.2.3', funcs: [] },
    ])
    expect(core).not.toBeNull()
    expect(() => checkWasi(analysis.world)).not.toThrow()
  })

  it('of files are refused with a sentence that says which and why', async () => {
    const opens = await component('(import "wasi:filesystem/types@0.2.3" "root" (func (result i32)))')
    const error = await codeOf(() => analyse(opens))
    expect(error.code).toBe('wasi-refused')
    expect(error.message).toBe(
      "The module can't run anywhere: it imports wasi:filesystem/types@0.2.3#root: modules have no files",
    )
    expect(error.mend).toContain('hypha:host/kv')
  })

  it('that only work on an open file are satisfied, for none is ever open', async () => {
    const syncs = await component('(import "wasi:filesystem/types@0.2.3" "[method]descriptor.sync" (func (param i32)))')
    expect(() => checkWasi(analyse(syncs).analysis.world)).not.toThrow()
  })

  it.each([
    ['wasi:clocks/wall-clock@0.2.0', true],
    ['wasi:random/insecure-seed@0.2.8', true],
    ['wasi:cli/environment@0.2.3', true],
    ['wasi:sockets/tcp@0.2.3', false],
    ['wasi:nn/graph@0.2.0', false],
    ['wasi:clocks/wall-clock@0.3.0', false],
  ])('%s: satisfied %s', (name, satisfied) => {
    expect(decideWasi(name)?.satisfied).toBe(satisfied)
  })

  it('are no matter of other interfaces', () => {
    expect(decideWasi('hypha:host/sensor@0.1.0')).toBeNull()
  })
})
