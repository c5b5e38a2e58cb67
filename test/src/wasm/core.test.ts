import { readFile } from 'node:fs/promises'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { parseCore } from '@hypha/core/wasm/core.ts'
import type { WasmFeature } from '@hypha/core/wasm/types.ts'
import { describe, expect, it } from 'vitest'
import { engineSees, wat } from '../../support/wasm-guest.ts'

const packages = new URL('../../../node_modules/', import.meta.url)

async function featuresOf(text: string): Promise<WasmFeature[]> {
  return [...parseCore(await wat(`(module ${text})`)).features].sort()
}

describe('modules that others compiled', () => {
  it.each([
    ['@bytecodealliance/jco-transpile/vendor/wasm-tools.core.wasm', ['bulk-memory', 'sign-extension']],
    ['@yowasp/clang/gen/llvm.core2.wasm', []],
    ['oxc-parser/parser.wasm32-wasip1.wasm', ['bulk-memory', 'saturating-conversions', 'sign-extension', 'simd']],
  ])('%s is read to its end, with the features %j', async (path, features) => {
    const nested = path.startsWith('oxc') ? 'knip/node_modules/' : ''
    const bytes = await readFile(new URL(nested + path, packages))
    const core = parseCore(bytes)
    expect([...core.features].sort()).toEqual(features)
    const named = core.exports.map(({ name, kind }) => ({ name, kind: kind === 'func' ? 'function' : kind }))
    expect(named).toEqual(engineSees(bytes).exports.map(({ name, kind }) => ({ name, kind })))
  })
})

describe('features', () => {
  it.each<[WasmFeature[], string]>([
    [[], '(memory 1) (func (param i32) (result i32) (block (result i32) (i32.load8_u (local.get 0))))'],
    [['sign-extension'], '(func (result i32) (i32.extend8_s (i32.const 1)))'],
    [['saturating-conversions'], '(func (result i32) (i32.trunc_sat_f64_u (f64.const 1)))'],
    [['bulk-memory'], '(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))'],
    [['bulk-memory'], '(memory 1) (data "passive")'],
    [['multi-value'], '(func (result i32 i32) (i32.const 1) (i32.const 2))'],
    [['multi-value'], '(func (i32.const 1) (block (param i32) (drop)))'],
    [['mutable-globals'], '(global (export "g") (mut i32) (i32.const 0))'],
    [['mutable-globals'], '(import "a" "b" (global (mut i32)))'],
    [['reference-types'], '(func (param externref))'],
    [['reference-types'], '(table 1 funcref) (table 1 funcref)'],
    [['reference-types'], '(func (result i32) (ref.is_null (ref.null func)))'],
    [
      ['simd'],
      '(func (drop (v128.const i64x2 1 2)) (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (v128.const i64x2 0 0) (v128.const i64x2 0 0))))',
    ],
    [['simd'], '(memory 1) (func (v128.store64_lane 1 (i32.const 0) (v128.const i64x2 1 2)))'],
    [['tail-call'], '(func $f (return_call $f))'],
    [['threads'], '(memory 1 1 shared) (func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (atomic.fence))'],
    [['exceptions'], '(tag $t) (func (block (try_table (catch_all 0) (throw $t))))'],
    [['gc'], '(type $s (struct (field i8))) (func (drop (struct.new $s (i32.const 1))))'],
    [['memory64'], '(memory i64 1) (func (drop (i32.load offset=4294967296 (i64.const 0))))'],
    [['multi-memory'], '(memory 1) (memory $b 1) (func (drop (i32.load $b (i32.const 0))))'],
  ])('%j are found in %s', async (features, text) => {
    expect(await featuresOf(text)).toEqual(features)
  })
})

/** A module of one function with this body, `end` included. */
function moduleOf(body: readonly number[]): Uint8Array {
  const bytes = new ByteWriter()
  bytes.put(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))
  bytes.put(Uint8Array.of(1, 4, 1, 0x60, 0, 0)).put(Uint8Array.of(3, 2, 1, 0))
  const code = new ByteWriter()
    .u8(1)
    .uleb(body.length + 1)
    .u8(0)
    .put(Uint8Array.from(body))
    .finish()
  return bytes.u8(10).uleb(code.length).put(code).finish()
}

function errorOf(bytes: Uint8Array): HyphaError {
  try {
    parseCore(bytes)
  } catch (error) {
    if (error instanceof HyphaError) return error
    throw error
  }
  throw new Error('the module was accepted')
}

describe('what is refused', () => {
  it.each([
    ['an unknown opcode', [0x01, 0x27, 0x0b], '27', 24],
    ['an unknown opcode behind a prefix', [0xfc, 0x20, 0x0b], 'fc 20', 23],
  ])('%s, with its offset', (_, body, opcode, at) => {
    const error = errorOf(moduleOf(body))
    expect(error.code).toBe('wasm-unsupported')
    expect(error.message).toContain(`the opcode ${opcode} is unknown`)
    expect(error.where).toBe(`byte ${at}`)
  })

  it('code after the end of a function, and a function without an end', () => {
    expect(errorOf(moduleOf([0x0b, 0x01])).code).toBe('wasm-malformed')
    expect(errorOf(moduleOf([0x02, 0x40, 0x0b])).code).toBe('bytes-truncated')
  })

  it('blocks nested without measure', () => {
    const body = Array.from({ length: 20_002 }, (_, index) => (index % 2 === 0 ? 0x02 : 0x40))
    expect(errorOf(moduleOf(body)).code).toBe('wasm-unsupported')
  })

  it('counts that the bytes cannot hold, before memory is spent on them', () => {
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
    expect(errorOf(Uint8Array.from([...header, 3, 5, 0xff, 0xff, 0xff, 0xff, 0x0f])).code).toBe('bytes-too-long')
    expect(errorOf(Uint8Array.from([...header, 3, 2, 0xff, 0x01])).code).toBe('bytes-truncated')
  })

  it('a component in place of a core module', () => {
    expect(errorOf(Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)).code).toBe('wasm-malformed')
  })
})
