import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyedList } from '../../../gateway/broker/keyed-list.ts'

test('A keyed list has what a map has, in the same order', () => {
  const step = fc.record({ kind: fc.constantFrom('set', 'delete'), key: fc.constantFrom('a', 'b', 'c'), at: fc.nat() })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const list = new KeyedList<{ readonly key: string; readonly at: number }>()
      const map = new Map<string, { readonly key: string; readonly at: number }>()
      for (const { kind, key, at } of steps) {
        if (kind === 'set') {
          list.set({ key, at })
          map.set(key, { key, at })
        } else {
          list.delete(key)
          map.delete(key)
        }
        expect([...list.values()]).toEqual([...map.values()])
        expect(list.size).toBe(map.size)
        for (const each of ['a', 'b', 'c']) expect(list.get(each)).toEqual(map.get(each))
        if (list.only !== null) expect([list.only]).toEqual([...map.values()])
      }
    }),
  )
})
