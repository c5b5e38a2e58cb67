import { HyphaError } from '@hypha/core/errors.ts'
import { type AbiContext, bindExport, bindImport } from '@hypha/core/wasm/abi.ts'
import { maxValuesBytes } from '@hypha/core/wasm/caps.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { decodeArgs, decodeResult, encodeArgs, encodeResult } from '@hypha/core/wasm/values.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newMemory } from '../../support/wasm-guest.ts'
import { everyKind, witType, witValue } from '../../support/wasm-types.ts'

const echo = (type: WitType): FuncType => ({ name: 'echo', params: [{ name: 'x', type }], result: type })

/** What a function of the host gets of a value that a guest was given: as it is in a direct call. */
function passedDirectly(func: FuncType, value: unknown): unknown {
  const memory = newMemory(4)
  let heap = 1024
  const context: AbiContext = {
    memory: () => memory,
    realloc(_old, _oldSize, align, size) {
      heap = ((heap + align - 1) & -align) + size
      return heap - size
    },
  }
  let got: unknown
  const take: FuncType = { ...func, result: null }
  const host = (x: unknown): void => {
    got = x
  }
  const imported = bindImport(take, host, context)
  bindExport(take, imported, undefined, context)(value)
  return got
}

const overTheWire = (func: FuncType, value: unknown): unknown => decodeArgs(func, encodeArgs(func, [value]))[0]

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof HyphaError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'accepted'
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('values over a link', () => {
  it('are what a direct call passes, for every kind of type', () => {
    for (const type of everyKind) {
      const func = echo(type)
      fc.assert(
        fc.property(witValue(type), (value) => {
          const direct = passedDirectly(func, value)
          expect(overTheWire(func, value)).toStrictEqual(direct)
          expect(decodeResult(func, encodeResult(func, direct))).toStrictEqual(direct)
        }),
        { numRuns: 15 },
      )
    }
  })

  it('are what a direct call passes, for types within types', () => {
    const typed = witType(4).chain((type) => fc.tuple(fc.constant(echo(type)), witValue(type)))
    fc.assert(
      fc.property(typed, ([func, value]) => {
        expect(overTheWire(func, value)).toStrictEqual(passedDirectly(func, value))
      }),
      { numRuns: 150 },
    )
  })

  it('keep floats to the bit, and any NaN is the canonical one', () => {
    const func = echo('f64')
    for (const value of [0, -0, 1, -1.5, 5e-324, Number.MAX_VALUE, Infinity, -Infinity, Number.NaN]) {
      expect(Object.is(overTheWire(func, value), value)).toBe(true)
    }
    expect(hex(encodeArgs(func, [Number.NaN]))).toBe('81fb7ff8000000000000')
    expect(hex(encodeArgs(echo('f32'), [Number.NaN]))).toBe('81fa7fc00000')
    expect(hex(encodeArgs(func, [-0]))).toBe('81fb8000000000000000')
  })

  it('have one form, that of the protocol', () => {
    const record: WitType = {
      kind: 'record',
      fields: [
        { name: 'id', type: 'u32' },
        { name: 'at-ms', type: { kind: 'option', of: 'u64' } },
      ],
    }
    const variant: WitType = {
      kind: 'variant',
      cases: [
        { name: 'none', type: null },
        { name: 'some-text', type: 'string' },
      ],
    }
    const forms: readonly [WitType, unknown, string][] = [
      [record, { id: 500, atMs: 2n ** 40n }, '821901f4811b0000010000000000'],
      [record, { id: 1, atMs: undefined }, '820180'],
      [variant, { tag: 'none' }, '8100'],
      [variant, { tag: 'some-text', val: 'hi' }, '8201626869'],
      [{ kind: 'result', ok: 's8', err: 'string' }, { tag: 'ok', val: -3 }, '820022'],
      [{ kind: 'result', ok: null, err: null }, { tag: 'err' }, '8101'],
      [{ kind: 'enum', cases: ['a', 'b'] }, 'b', '01'],
      [{ kind: 'flags', flags: ['a', 'b', 'c'] }, { a: true, c: true }, '4105'],
      [{ kind: 'list', of: 'u8' }, Uint8Array.of(1, 2), '420102'],
      [{ kind: 'list', of: 'u16' }, Uint16Array.of(1, 2), '820102'],
      [{ kind: 'option', of: { kind: 'option', of: 'u8' } }, { tag: 'some', val: undefined }, '8180'],
    ]
    for (const [type, value, form] of forms) {
      const func = echo(type)
      expect(hex(encodeResult(func, value))).toBe(form)
      expect(decodeResult(func, encodeResult(func, value))).toStrictEqual(passedDirectly(func, value))
    }
    const silent: FuncType = { name: 'f', params: [], result: null }
    expect(hex(encodeArgs(silent, []))).toBe('80')
    expect(encodeResult(silent, undefined)).toHaveLength(0)
    expect(decodeResult(silent, new Uint8Array())).toBe(undefined)
  })
})

describe('bytes that are no values', () => {
  const tags: WitType = {
    kind: 'list',
    of: {
      kind: 'record',
      fields: [
        { name: 'name', type: 'string' },
        { name: 'weight', type: 'u8' },
      ],
    },
  }
  const decode = (type: WitType, form: string) => refusal(() => decodeArgs(echo(type), Buffer.from(form, 'hex')))

  it('are refused with the path of the part that is wrong', () => {
    expect(decode(tags, '81828261610182616219 0100'.replaceAll(' ', ''))).toBe(
      'values-malformed: args[0][1].weight should be u8, before byte 12',
    )
    expect(decode('string', '8161ff')).toBe('values-malformed: args[0] should be text in UTF-8, before byte 3')
    expect(decode('u8', '8201 02'.replaceAll(' ', ''))).toContain('args should be a tuple of 1')
    expect(decode('u8', '810101')).toContain('and not have 1 bytes more')
    expect(decode('bool', '8101')).toContain('true or false')
    expect(decode('char', '81626162')).toContain('one Unicode scalar value')
    expect(decode({ kind: 'enum', cases: ['a'] }, '8101')).toContain('one of a')
    expect(decode({ kind: 'flags', flags: ['a'] }, '814102')).toContain('1 bytes of flags')
    expect(decode({ kind: 'result', ok: null, err: null }, '818200f6')).toContain('one of ok, err')
    expect(decode('s64', '813bffffffffffffffff')).toContain('s64')
  })

  it('that announce more than is there cost nothing', () => {
    expect(decode({ kind: 'list', of: 'f64' }, '819affffffff')).toContain('an array of 4294967295 items')
    expect(decode({ kind: 'list', of: 'u8' }, '815affffffff')).toContain('4294967295 bytes')
    expect(decode('string', '817bffffffffffffffff')).toContain('should be text')
    const long = new Uint8Array(maxValuesBytes + 1)
    expect(refusal(() => decodeArgs(echo('u8'), long))).toContain('at most 49152 bytes')
  })

  it('whatever they are, are read or refused in words', () => {
    const any = fc.tuple(fc.constantFrom(...everyKind), fc.uint8Array({ maxLength: 40 }))
    fc.assert(
      fc.property(any, ([type, bytes]) => {
        const func = echo(type)
        const words = refusal(() => {
          const args = decodeArgs(func, bytes)
          expect(decodeArgs(func, encodeArgs(func, args))).toStrictEqual(args)
        })
        expect(words === 'accepted' || words.startsWith('values-malformed: args')).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('values that can not be sent', () => {
  it('are refused as too large before anything is made of them', () => {
    const room = maxValuesBytes - 4
    expect(refusal(() => encodeArgs(echo('string'), ['x'.repeat(room)]))).toBe('accepted')
    expect(refusal(() => encodeArgs(echo('string'), ['x'.repeat(room + 1)]))).toBe(
      'values-too-large: args is over 49152 bytes at args[0]',
    )
    const bytes = new Uint8Array(1_000_000)
    expect(refusal(() => encodeArgs(echo({ kind: 'list', of: 'u8' }), [bytes]))).toContain('values-too-large')
    const floats = new Float64Array(6_000)
    expect(refusal(() => encodeResult(echo({ kind: 'list', of: 'f64' }), floats))).toContain('at result[')
  })

  it('are refused where they are not of their type, with their path', () => {
    const list: WitType = { kind: 'list', of: { kind: 'option', of: 'u8' } }
    expect(refusal(() => encodeArgs(echo(list), [[1, 300]]))).toBe('abi-value: args[0][1] should be u8, is number')
    expect(refusal(() => encodeArgs(echo('u64'), [1]))).toContain('u64 as a bigint')
    expect(refusal(() => encodeArgs(echo('char'), ['\ud800']))).toContain('one Unicode scalar value')
  })
})
