import { Duplex, PassThrough } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Frames } from '../../../agent/sandbox/frames.ts'

const maxBytes = 100_000

/** What the other end takes of bytes that come in these parts, and why the stream ended. */
async function taken(parts: readonly Uint8Array[]): Promise<{ messages: unknown[]; error: Error | null }> {
  const stream = new PassThrough()
  const messages: unknown[] = []
  let error: Error | null = null
  stream.on('error', (thrown) => {
    error = thrown
  })
  new Frames(stream, maxBytes, (message) => messages.push(message))
  for (const part of parts) if (!stream.destroyed) stream.write(part)
  if (!stream.destroyed) stream.end()
  await new Promise((resolve) => stream.once('close', resolve))
  return { messages, error }
}

/** The bytes of messages as they are sent. */
function sent(messages: readonly unknown[]): Buffer {
  const parts: Buffer[] = []
  const stream = new Duplex({
    read: () => undefined,
    write(part: Buffer, _encoding, done) {
      parts.push(part)
      done()
    },
  })
  const frames = new Frames(stream, maxBytes, () => undefined)
  for (const message of messages) frames.send(message)
  return Buffer.concat(parts)
}

const message = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.record({ kind: fc.string(), value: fc.oneof(fc.double(), fc.bigInt(), fc.constant(undefined), fc.boolean()) }),
  fc.array(fc.tuple(fc.string(), fc.integer())).map((entries) => new Map(entries)),
)

test('Messages arrive whole and in order, however the stream is cut into parts.', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(2_000)), async (messages, cuts) => {
      const bytes = sent(messages)
      const edges = [0, ...cuts.filter((cut) => cut <= bytes.length).sort((a, b) => a - b), bytes.length]
      const parts = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
      const { messages: arrived, error } = await taken(parts)
      expect(error).toBeNull()
      expect(arrived).toEqual(messages)
    }),
    { numRuns: 100 },
  )
})

test('A message over the cap, or one that is no message, ends the stream; what came before it counts.', async () => {
  const long = Buffer.alloc(4)
  long.writeUInt32LE(maxBytes + 1)
  const { messages, error } = await taken([sent(['first']), long])
  expect(messages).toEqual(['first'])
  expect(error).toMatchObject({ code: 'bytes-too-long' })
  const garbage = await taken([Buffer.from([3, 0, 0, 0, 1, 2, 3])])
  expect(garbage.messages).toEqual([])
  expect(garbage.error).not.toBeNull()
})
