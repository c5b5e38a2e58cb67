import { FramedReader, framed } from '@hypha/core/bytes/framed.ts'
import fc from 'fast-check'
import { expect, it } from 'vitest'

it('gives messages back as they were, however a stream cuts them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
      (messages, sizes) => {
        const bytes = Uint8Array.from(messages.flatMap((message) => [...framed(message)]))
        const reader = new FramedReader(40)
        const read: Uint8Array[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length]!
          read.push(...reader.push(bytes.subarray(at, at + size)))
          at += size
        }
        expect(read).toEqual(messages)
      },
    ),
  )
})

it('refuses a message over its cap as soon as it is announced', () => {
  const reader = new FramedReader(40)
  expect(() => reader.push(framed(new Uint8Array(41)).subarray(0, 4))).toThrow(/41 bytes/)
})
