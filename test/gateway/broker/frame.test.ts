import fc from 'fast-check'
import mqttPacket from 'mqtt-packet'
import { expect, test } from 'vitest'
import { PublishFrame } from '../../../gateway/broker/frame.ts'

const anyMessage = {
  topic: fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((topic) => !/[+#\0]/.test(topic)),
  payload: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 16_300, maxLength: 16_500 })),
}

test.each([4, 5])('A message is encoded as every other encoder of MQTT level %i does it', (protocolVersion) => {
  fc.assert(
    fc.property(fc.record(anyMessage), fc.integer({ min: 1, max: 65_535 }), ({ topic, payload }, messageId) => {
      const frame = new PublishFrame(topic, payload)
      const packet = { cmd: 'publish' as const, topic, payload: Buffer.from(payload), dup: false, retain: false }
      expect(frame.plain(protocolVersion)).toEqual(mqttPacket.generate({ ...packet, qos: 0 }, { protocolVersion }))
      expect(frame.numbered(protocolVersion, messageId)).toEqual(
        mqttPacket.generate({ ...packet, qos: 1, messageId }, { protocolVersion }),
      )
    }),
    { numRuns: 15 },
  )
})

test('Clients without a packet id get the same bytes, and those with one their own', () => {
  const frame = new PublishFrame('a/b', new Uint8Array([1, 2, 3]))
  expect(frame.plain(4)).toBe(frame.plain(4))
  const [one, two] = [frame.numbered(4, 1), frame.numbered(4, 2)]
  expect(one.length).toBe(two.length)
  expect([...one].filter((byte, index) => byte !== two[index])).toEqual([1])
})
