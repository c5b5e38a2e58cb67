import fc from 'fast-check'
import { expect, test } from 'vitest'
import { publishFrame } from '../../../agent/link/publish-frame.ts'
import { PublishFrame } from '../../../gateway/broker/frame.ts'

test('a message is written as the broker writes it, whatever its topic and however long it is.', () => {
  // About where another byte is needed for the length (MQTT 3.1.1, table 2.4).
  const length = fc.oneof(fc.nat(300), fc.integer({ min: 16_300, max: 16_500 }), fc.constant(65_536))
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme', maxLength: 60 }), length, (topic, size) => {
      const payload = new Uint8Array(size).map((_, index) => index)
      const expected = new PublishFrame(topic, payload).plain(4)
      expect(publishFrame(topic, payload).equals(expected)).toBe(true)
    }),
  )
})

test('the bytes of a message are those of the standard.', () => {
  expect([...publishFrame('a/b', Uint8Array.of(7, 8))]).toEqual([0x30, 7, 0, 3, 0x61, 0x2f, 0x62, 7, 8])
})
