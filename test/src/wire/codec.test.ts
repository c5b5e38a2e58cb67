import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import {
  bool,
  bytes,
  dictionary,
  float,
  list,
  message,
  nullable,
  oneOf,
  record,
  type TypeOf,
  text,
  uint,
  union,
} from '@hypha/core/wire/codec.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const shape = record({
  count: [1, uint(1_000_000_000_000)],
  level: [2, oneOf('low', 'high')],
  name: [3, nullable(text(8, /^[a-z]*$/))],
  key: [4, bytes({ exact: 2 })],
  entries: [5, list(union(['on', record({ since: [1, float] })], ['off', record({ forGood: [1, bool] })]), 3)],
  settings: [6, dictionary(text(4), 2)],
})
const codec = message('shape', shape, 200)

const values: fc.Arbitrary<TypeOf<typeof codec>> = fc.record({
  count: fc.nat().map((n) => n * 400),
  level: fc.constantFrom('low', 'high'),
  name: fc.option(fc.constantFrom('', 'a', 'abc')),
  key: fc.uint8Array({ minLength: 2, maxLength: 2 }),
  entries: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('on' as const), since: fc.double().map((value) => (value === 0 ? 0 : value)) }),
      fc.record({ kind: fc.constant('off' as const), forGood: fc.boolean() }),
    ),
    { maxLength: 3 },
  ),
  settings: fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), fc.constantFrom('', 'x'), {
    maxKeys: 2,
    noNullPrototype: true,
  }),
})

describe('a message', () => {
  it('decodes to what was encoded', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.decode(codec.encode(value))).toEqual(value)
      }),
    )
  })

  it('leaves an absent field out, and passes over unknown ones', () => {
    const fewer = message('fewer', record({ a: [1, uint()] }))
    const more = message('more', record({ a: [1, uint()], b: [2, nullable(uint())] }))
    expect(more.decode(fewer.encode({ a: 1 }))).toEqual({ a: 1, b: null })
    expect(fewer.decode(more.encode({ a: 1, b: 2 }))).toEqual({ a: 1 })
  })

  it('refuses more bytes than its cap before it reads them', () => {
    expect(() => codec.decode(new Uint8Array(201))).toThrow(expect.objectContaining({ code: 'bytes-too-long' }))
  })

  it('refuses to encode more bytes than its cap', () => {
    expect(() => message('small', list(uint(), 100), 10).encode(Array(20).fill(1000))).toThrow(
      expect.objectContaining({ code: 'bytes-too-long' }),
    )
  })

  const good = () =>
    new Map<number, unknown>([
      [1, 5],
      [2, 0],
      [4, Uint8Array.of(1, 2)],
      [5, []],
      [6, new Map()],
    ])
  it.each<[string, (map: Map<number, unknown>) => void, string]>([
    ['a missing field', (map) => map.delete(1), 'shape.count'],
    ['a number over its cap', (map) => map.set(1, 1_000_000_000_001), 'shape.count'],
    ['a negative number', (map) => map.set(1, -1), 'shape.count'],
    ['a fraction', (map) => map.set(1, 1.5), 'shape.count'],
    ['text for a number', (map) => map.set(1, '5'), 'shape.count'],
    ['a word that is not one of those', (map) => map.set(2, 2), 'shape.level'],
    ['text that is too long', (map) => map.set(3, 'abcdefghi'), 'shape.name'],
    ['text of another form', (map) => map.set(3, 'A'), 'shape.name'],
    ['bytes of another length', (map) => map.set(4, Uint8Array.of(1)), 'shape.key'],
    ['too many items', (map) => map.set(5, Array(4).fill([1, new Map([[1, true]])])), 'shape.entries'],
    ['an unknown kind', (map) => map.set(5, [[2, new Map()]]), 'shape.entries[0]'],
    ['a kind without its field', (map) => map.set(5, [[1, new Map()]]), 'shape.entries[0].off.forGood'],
    [
      'too many settings',
      (map) =>
        map.set(
          6,
          new Map([
            ['a', ''],
            ['b', ''],
            ['c', ''],
          ]),
        ),
      'shape.settings',
    ],
    ['a setting of another type', (map) => map.set(6, new Map([['a', 1]])), 'shape.settings.a'],
  ])('with %s is refused, naming the field', (_, spoil, where) => {
    const map = good()
    spoil(map)
    expect(() => codec.decode(encodeCbor(map))).toThrow(expect.objectContaining({ code: 'message-malformed', where }))
  })

  it('answers any bytes with a value or a HyphaError', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(255), (value, at, byte) => {
        const encoded = codec.encode(value)
        encoded[at % encoded.length] = byte
        try {
          codec.decode(encoded)
        } catch (error) {
          expect(error).toBeInstanceOf(HyphaError)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
