import { decodeCbor, encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { interfaceDigestItem, worldFromItem, worldToItem } from '@hypha/core/wasm/encode-world.ts'
import type { FuncType, InterfaceType, WitType, World } from '@hypha/core/wasm/types.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { witType } from '../../support/wasm-types.ts'

const sorted = <T extends { name: string }>(items: T[]): T[] => items.sort((a, b) => (a.name < b.name ? -1 : 1))
const label = fc.stringMatching(/^[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,5})?$/)
const distinct = { selector: (item: { name: string }) => item.name, maxLength: 4 }

const func: fc.Arbitrary<FuncType> = fc.record({
  name: label,
  params: fc.uniqueArray(fc.record({ name: label, type: witType(4) }), distinct),
  result: fc.option(witType(4), { nil: null }),
})
const interfaceType: fc.Arbitrary<InterfaceType> = fc.record({
  name: label.map((name) => `hypha:host/${name}@0.1.0`),
  funcs: fc.uniqueArray(func, distinct).map(sorted),
})
const world: fc.Arbitrary<World> = fc.record({
  imports: fc.uniqueArray(interfaceType, distinct).map(sorted),
  exports: fc.uniqueArray(interfaceType, distinct).map(sorted),
})

const one = (type: WitType): World => ({
  imports: [{ name: 'a:b/c@1.0.0', funcs: [{ name: 'f', params: [], result: type }] }],
  exports: [],
})

function refusal(item: unknown): string {
  try {
    worldFromItem(item, 'world')
  } catch (error) {
    if (error instanceof HyphaError && error.code === 'message-malformed') return error.message
    throw error
  }
  return 'accepted'
}

describe('a world as an item', () => {
  it('comes back equal, through CBOR', () => {
    fc.assert(
      fc.property(world, (value) => {
        const bytes = encodeCbor(worldToItem(value))
        expect(worldFromItem(decodeCbor(bytes, 'world'), 'world')).toEqual(value)
      }),
      { numRuns: 60 },
    )
  })

  it('keeps the names of types', () => {
    const value = one({ kind: 'record', name: 'reading', fields: [{ name: 'x', type: 'u8' }] })
    expect(worldFromItem(worldToItem(value), 'world')).toEqual(value)
  })

  it('of any form at all is accepted or refused, never more', () => {
    fc.assert(
      fc.property(fc.anything(), (item) => {
        refusal(item)
      }),
    )
    const tokens = fc.array(fc.oneof(fc.integer({ min: 0, max: 22 }), label), { maxLength: 30 })
    fc.assert(
      fc.property(tokens, (list) => {
        refusal([[['a:b/c@1.0.0', ['f', ...list]]], []])
      }),
      { numRuns: 2000 },
    )
  })

  it.each<[string, unknown]>([
    ['a list of one', [[]]],
    ['a name that is none', [[['a b']], []]],
    ['interfaces out of order', [[['b:b/b'], ['a:a/a']], []]],
    ['an interface twice', [[['a:a/a'], ['a:a/a']], []]],
    ['a function out of order', [[['a:a/a', ['g', 0, 0], ['f', 0, 0]]], []]],
    ['an unknown kind of type', [[['a:a/a', ['f', 0, 1, 21]]], []]],
    ['a count without its parts', [[['a:a/a', ['f', 0, 1, 16, 1000]]], []]],
    ['an empty record', [[['a:a/a', ['f', 0, 1, 17, '', 0]]], []]],
    ['labels that differ in case alone', [[['a:a/a', ['f', 0, 1, 19, '', 2, 'A', 'a']]], []]],
    ['something after the end', [[['a:a/a', ['f', 0, 0, 0]]], []]],
    ['a type nested too deep', [[['a:a/a', ['f', 0, 1, ...Array(100).fill(13), 1]]], []]],
    ['33 flags', [[['a:a/a', ['f', 0, 1, 20, '', 33, ...Array.from({ length: 33 }, (_, i) => `f${i}`)]]], []]],
  ])('is refused with %s', (_, item) => {
    expect(refusal(item)).toMatch(/^world/)
  })
})

describe('the item that an interface is digested from', () => {
  const sensor = (funcs: FuncType[]): InterfaceType => ({ name: 'hypha:host/sensor@0.1.0', funcs })
  const read: FuncType = {
    name: 'read',
    params: [{ name: 'name', type: 'string' }],
    result: { kind: 'enum', name: 'e', cases: ['a'] },
  }
  const list: FuncType = { name: 'list', params: [], result: { kind: 'list', of: 'string' } }

  it('is equal whatever the order of functions and the names of types and parameters', () => {
    const renamed: FuncType = {
      name: 'read',
      params: [{ name: 'id', type: 'string' }],
      result: { kind: 'enum', name: 'other', cases: ['a'] },
    }
    expect(interfaceDigestItem(sensor([read, list]))).toEqual(interfaceDigestItem(sensor([list, renamed])))
  })

  it('differs for another type, case, function or version', () => {
    const base = JSON.stringify(interfaceDigestItem(sensor([read])))
    const others: InterfaceType[] = [
      sensor([{ ...read, params: [{ name: 'name', type: 'char' }] }]),
      sensor([{ ...read, result: { kind: 'enum', name: 'e', cases: ['b'] } }]),
      sensor([{ ...read, result: null }]),
      sensor([read, list]),
      { ...sensor([read]), name: 'hypha:host/sensor@0.2.0' },
    ]
    for (const other of others) expect(JSON.stringify(interfaceDigestItem(other))).not.toBe(base)
  })
})
