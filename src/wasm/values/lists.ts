import { numberArrays } from '../abi/lists.ts'
import type { WitType } from '../types.ts'
import type { ValueCodec } from './codec.ts'
import { major, type ValueReader, type ValueWriter } from './cursor.ts'

/** Lists of `u8` are byte strings, all others arrays; in JavaScript lists of numbers are typed arrays, as the binder has them. */
export function listCodec(of: ValueCodec, type: WitType): ValueCodec {
  if (type === 'u8') return byteList
  const numbers = typeof type === 'string' ? numberArrays[type] : undefined
  const readItems = (from: ValueReader, count: number, put: (index: number, item: unknown) => void): void => {
    for (let index = 0; index < count; index++) {
      from.place.enter(index)
      put(index, of.read(from))
      from.place.leave()
    }
  }
  return {
    write(out, value) {
      if (!Array.isArray(value) && !(numbers !== undefined && value instanceof numbers))
        throw out.wrong('a list', value)
      const items = value as ArrayLike<unknown>
      // Each item takes a byte at least.
      out.room(items.length)
      out.head(major.array, items.length)
      for (let index = 0; index < items.length; index++) {
        out.place.enter(index)
        of.write(out, items[index])
        out.place.leave()
      }
    },
    read(from) {
      const count = from.count('a list')
      if (numbers === undefined) {
        const items: unknown[] = []
        readItems(from, count, (_, item) => items.push(item))
        return items
      }
      const items = new numbers(new ArrayBuffer(count * numbers.BYTES_PER_ELEMENT))
      readItems(from, count, (index, item) => {
        items[index] = item as number & bigint
      })
      return items
    },
  }
}

const byteList: ValueCodec = {
  write(out: ValueWriter, value) {
    if (value instanceof Uint8Array) {
      out.bytes(value)
      return
    }
    if (!Array.isArray(value)) throw out.wrong('a list of u8', value)
    out.room(value.length)
    for (const [index, item] of value.entries()) {
      if (typeof item === 'number' && item >= 0 && item <= 0xff && Math.trunc(item) === item) continue
      out.place.enter(index)
      throw out.wrong('u8', item)
    }
    out.bytes(Uint8Array.from(value as number[]))
  },
  read: (from) => from.bytes('a list of u8'),
}
