import { inspect } from 'node:util'
import { HyphaError } from '@hypha/core/errors.ts'
import { type AbiContext, bindExport, bindImport, coreSignature } from '@hypha/core/wasm/abi.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { describe, expect, it } from 'vitest'
import { newMemory } from '../../support/wasm-guest.ts'

/** A guest of nothing but memory: its allocator hands out fresh bytes from 4096 on. */
function guest(pages = 1) {
  const memory = newMemory(pages)
  let heap = 4096
  const context: AbiContext & { grows: boolean } = {
    grows: false,
    memory: () => memory,
    realloc(_old, _oldSize, align, size) {
      if (context.grows) memory.grow(1)
      heap = (heap + align - 1) & -align
      heap += size
      return heap - size
    },
  }
  return { context, memory, bytes: () => new Uint8Array(memory.buffer), view: () => new DataView(memory.buffer) }
}

const taking = (type: WitType): FuncType => ({ name: 'take', params: [{ name: 'x', type }], result: null })
const giving = (type: WitType): FuncType => ({ name: 'give', params: [], result: type })

/** What a host function gets when the guest passes these core values. */
function lifted(type: WitType, flat: (number | bigint)[], { context } = guest()): unknown {
  let got: unknown
  const host = (value: unknown): void => {
    got = value
  }
  bindImport(taking(type), host, context)(...flat)
  return got
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof HyphaError) return error.code
    throw error
  }
  return 'none'
}

describe('core values', () => {
  const values: readonly [WitType, number | bigint, unknown][] = [
    ['bool', 0, false],
    ['bool', 2, true],
    ['u8', -1, 255],
    ['s8', 255, -1],
    ['u16', 0x12345, 0x2345],
    ['s16', 0xffff, -1],
    ['u32', -1, 0xffff_ffff],
    ['s32', -1, -1],
    ['u64', -1n, 2n ** 64n - 1n],
    ['s64', -1n, -1n],
    ['char', 0x1f331, '🌱'],
    [{ kind: 'enum', cases: ['a', 'b'] }, 1, 'b'],
    [{ kind: 'flags', flags: ['is-dry', 'is-cold'] }, 2, { isDry: false, isCold: true }],
  ]
  for (const [type, flat, value] of values) {
    it(`${flat} of the type ${inspect(type)} is lifted to ${inspect(value)}`, () => {
      expect(lifted(type, [flat])).toEqual(value)
    })
  }

  it('of joined types are taken apart as the canonical ABI says', () => {
    const type: WitType = {
      kind: 'variant',
      cases: [
        { name: 'small', type: 's32' },
        { name: 'float', type: 'f32' },
        { name: 'double', type: 'f64' },
        { name: 'big', type: 'u64' },
      ],
    }
    expect(coreSignature(taking(type), 'import').params).toEqual(['i32', 'i64'])
    expect(lifted(type, [0, 0xffff_fffen])).toEqual({ tag: 'small', val: -2 })
    expect(lifted(type, [1, 0x3fc0_0000n])).toEqual({ tag: 'float', val: 1.5 })
    expect(lifted(type, [2, 0x3ff8_0000_0000_0000n])).toEqual({ tag: 'double', val: 1.5 })
    expect(lifted(type, [3, -1n])).toEqual({ tag: 'big', val: 2n ** 64n - 1n })
  })
})

describe('core signatures', () => {
  it('pass more than 16 core values through one pointer', () => {
    const sixteen: FuncType = {
      name: 'f',
      params: Array.from({ length: 8 }, (_, i) => ({ name: `p${i}`, type: 'string' as const })),
      result: null,
    }
    expect(coreSignature(sixteen, 'import').params).toHaveLength(16)
    const more: FuncType = { ...sixteen, params: [...sixteen.params, { name: 'last', type: 'u8' }] }
    expect(coreSignature(more, 'import').params).toEqual(['i32'])
  })

  it('return a string through a pointer: the last argument of an import, the result of an export', () => {
    expect(coreSignature(giving('string'), 'import')).toEqual({ params: ['i32'], results: [] })
    expect(coreSignature(giving('string'), 'export')).toEqual({ params: [], results: ['i32'] })
  })
})

describe('a guest that breaks the canonical ABI is trapped', () => {
  const result: WitType = { kind: 'result', ok: 'u32', err: null }
  it.each<[string, WitType, (number | bigint)[]]>([
    ['a string beyond the memory', 'string', [65_530, 7]],
    ['a string whose end overflows 32 bits', 'string', [8, -1]],
    ['a list beyond the memory', { kind: 'list', of: 'u32' }, [65_532, 2]],
    ['a misaligned list', { kind: 'list', of: 'u32' }, [2, 1]],
    [
      'a misaligned list of records',
      { kind: 'list', of: { kind: 'record', fields: [{ name: 'x', type: 'u64' }] } },
      [4, 1],
    ],
    ['a surrogate as a character', 'char', [0xd800]],
    ['a character beyond Unicode', 'char', [0x110000]],
    ['a discriminant beyond the cases', result, [2, 0]],
    ['a negative discriminant', result, [-1, 0]],
    ['an enum beyond its cases', { kind: 'enum', cases: ['a'] }, [1]],
  ])('%s', (_, type, flat) => {
    expect(codeOf(() => lifted(type, flat))).toBe('abi-trap')
  })

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['an overlong form', [0xc0, 0xaf]],
    ['a cut sequence after ASCII', [0x61, 0xe2, 0x82]],
  ])('text that is not UTF-8: %s', (_, bytes) => {
    const instance = guest()
    instance.bytes().set(bytes, 100)
    expect(codeOf(() => lifted('string', [100, bytes.length], instance))).toBe('abi-trap')
  })

  it('a return area that is misaligned or beyond the memory', () => {
    const { context } = guest()
    const give = bindImport(giving('string'), () => 'x', context)
    expect(codeOf(() => give(2))).toBe('abi-trap')
    expect(codeOf(() => give(65_532))).toBe('abi-trap')
  })

  it('an allocator that answers with a pointer beyond the memory', () => {
    const { memory } = guest()
    const context: AbiContext = { memory: () => memory, realloc: () => 65_535 }
    expect(codeOf(() => bindExport(taking('string'), () => undefined, undefined, context)('text'))).toBe('abi-trap')
  })

  it('overlapping lists that would lift more than the cap', () => {
    const instance = guest()
    const view = instance.view()
    for (let index = 0; index < 1000; index++) {
      view.setUint32(index * 8, 0, true)
      view.setUint32(index * 8 + 4, 65_536, true)
    }
    const type: WitType = { kind: 'list', of: { kind: 'list', of: 'u8' } }
    expect(codeOf(() => lifted(type, [0, 1000], instance))).toBe('abi-trap')
  })

  it('and the error names the function', () => {
    const take = bindImport(taking('char'), () => undefined, guest().context, 'hypha:host/log@0.1.0#write')
    expect(() => take(0xdfff)).toThrow(/hypha:host\/log@0\.1\.0#write: 0xdfff is no Unicode scalar value/)
  })
})

describe('a host that returns something of another type gets an error', () => {
  const values: readonly [WitType, unknown][] = [
    ['u8', 256],
    ['u8', 1.5],
    ['s8', 128],
    ['u32', -1],
    ['u32', Number.NaN],
    ['u64', 1],
    ['s64', 2n ** 63n],
    ['f64', '1'],
    ['bool', 1],
    ['char', 'ab'],
    ['char', '\ud800'],
    ['string', undefined],
    [{ kind: 'list', of: 'u8' }, 'text'],
    [{ kind: 'list', of: 'u8' }, [256]],
    [{ kind: 'enum', cases: ['a'] }, 'b'],
    [{ kind: 'result', ok: null, err: null }, { tag: 'error' }],
    [{ kind: 'tuple', items: ['u8', 'u8'] }, [1]],
    [{ kind: 'record', fields: [{ name: 'x', type: 'u8' }] }, null],
    [{ kind: 'record', fields: [{ name: 'x', type: 'u8' }] }, {}],
  ]
  for (const [type, value] of values) {
    it(`${inspect(type)} does not take ${inspect(value)}`, () => {
      expect(codeOf(() => bindImport(giving(type), () => value, guest().context)(1024))).toBe('abi-value')
    })
  }
})

describe('memory that grows', () => {
  it('under the allocator moves nothing to the wrong place', () => {
    const instance = guest()
    instance.context.grows = true
    const type: WitType = {
      kind: 'record',
      fields: [
        { name: 'a', type: 'string' },
        { name: 'b', type: { kind: 'list', of: 'string' } },
      ],
    }
    const give = bindImport(giving(type), () => ({ a: 'first', b: ['second', 'third'] }), instance.context)
    give(1024)
    const read = bindExport(giving(type), () => 1024, undefined, instance.context)
    expect(read()).toEqual({ a: 'first', b: ['second', 'third'] })
    expect(instance.memory.buffer.byteLength).toBe(65_536 * 5)
  })

  it('between calls is seen by the next one', () => {
    const instance = guest()
    expect(lifted('string', [0, 1], instance)).toBe('\0')
    instance.memory.grow(1)
    instance.bytes()[65_536] = 0x68
    expect(lifted('string', [65_536, 1], instance)).toBe('h')
  })
})

it('post-return is called once with what the core function returned, after the value was copied', () => {
  const instance = guest()
  instance.bytes().set([0x68, 0x69], 200)
  instance.view().setUint32(1024, 200, true)
  instance.view().setUint32(1028, 2, true)
  const posted: unknown[] = []
  const post = (pointer?: number | bigint): undefined => {
    posted.push(pointer)
    instance.bytes().fill(0)
  }
  expect(bindExport(giving('string'), () => 1024, post, instance.context)()).toBe('hi')
  expect(posted).toEqual([1024])
})

it('what is lifted is a copy of its own', () => {
  const instance = guest()
  instance.bytes().set([1, 2, 3], 64)
  const bytes = lifted({ kind: 'list', of: 'u8' }, [64, 3], instance) as Uint8Array
  instance.bytes().fill(9)
  expect(bytes).toEqual(Uint8Array.of(1, 2, 3))
})
