import { randomBytes } from 'node:crypto'
import { brotliDecompressSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { directivePacket, sendDirective } from '../../../gateway/distribute/directive-packet.ts'
import { createTransfers } from '../../../gateway/distribute/transfers.ts'
import { digestOf } from '../../../gateway/store/contents.ts'
import { toHex } from '../../../src/bytes/text.ts'
import { directiveMessage } from '../../../src/wire/messages/directive.ts'
import { addNode, bytesOf, temporaryPath, temporaryStore } from '../store/support.ts'
import { contentOf, directiveOf, fastBroker, sectionOf, topics } from './support.ts'

const repetitive = bytesOf('the same words again and again, '.repeat(500))
const random = new Uint8Array(randomBytes(3_000))

it('A content travels compressed where that is shorter, and as it is where not', async () => {
  const { contents } = temporaryStore()
  const [long, noise] = [contents.put(repetitive), contents.put(random)]
  const transfers = createTransfers(contents)
  const keep = await transfers.prepare(
    new Map([
      [long, repetitive],
      [noise, random],
    ]),
  )
  keep()
  const compressed = transfers.transferFor(long)
  expect(compressed).toMatchObject({ encoding: 'brotli', base: null })
  const bytes = contents.transferBytes(toHex(compressed.digest))!
  expect(bytes.length).toBe(compressed.size)
  expect(digestOf(bytes)).toBe(toHex(compressed.digest))
  expect(new Uint8Array(brotliDecompressSync(bytes))).toEqual(repetitive)
  expect(transfers.transferFor(noise)).toMatchObject({ encoding: 'identity', size: 3_000 })
  expect(contents.transferBytes(noise)).toEqual(random)
})

it('What was computed once is found again after a restart, and is the same without preparation', async () => {
  const path = temporaryPath()
  const first = temporaryStore({}, path)
  const content = first.contents.put(repetitive)
  const keep = await createTransfers(first.contents).prepare(new Map([[content, repetitive]]))
  keep()
  const prepared = first.contents.findTransfer(content, null)
  const again = temporaryStore({}, path)
  expect(again.contents.findTransfer(content, null)).toEqual(prepared)
  const other = temporaryStore()
  other.contents.put(repetitive)
  expect(createTransfers(other.contents).transferFor(content)).toEqual(
    createTransfers(again.contents).transferFor(content),
  )
})

it('A patch from what the node holds is chosen where it is shorter than the whole', () => {
  const { contents } = temporaryStore()
  const [base, content] = [contents.put(random), contents.put(repetitive)]
  const transfers = createTransfers(contents)
  const patch = bytesOf('patch')
  contents.putTransfer(content, { encoding: 'patch', base, digest: digestOf(patch), size: 5 }, patch)
  expect(transfers.transferFor(content, () => new Set([base]))).toMatchObject({ size: 5, base: expect.anything() })
  expect(transfers.transferFor(content, () => new Set(['another']))).toMatchObject({ base: null })
})

it('A directive takes its small contents along, each once, as many as a packet holds', async () => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  const transfers = createTransfers(store.contents)
  const small = Array.from({ length: 20 }, () => new Uint8Array(randomBytes(4_000)))
  const items = [random, ...small, repetitive, new Uint8Array(randomBytes(5_000)), random].map((bytes) => {
    const content = store.contents.put(bytes)
    return contentOf(content, bytes.length, transfers.transferFor(content))
  })
  const directive = directiveOf('pi-7', [sectionOf({ contents: items })])
  const envelope = new Uint8Array(randomBytes(9_000))
  store.directives.put(directive, envelope)
  const { published, publish } = fastBroker()
  expect(await sendDirective('pi-7', { store, topics, publish })).toBe(true)
  expect(await sendDirective('pi-8', { store, topics, publish })).toBe(false)

  expect(published).toMatchObject([{ topic: 'hypha/greens/n/pi-7/down/directive', retain: true }])
  expect(published[0]!.bytes.length).toBeLessThanOrEqual(60_100)
  const { envelope: sent, attachments } = directiveMessage.decode(published[0]!.bytes)
  expect(toHex(sent)).toBe(toHex(envelope))
  const digests = attachments.map(digestOf)
  expect(new Set(digests).size).toBe(digests.length)
  // 3,000 bytes once, eleven of 4,000, and the compressed text; what has 5,000 goes in chunks.
  expect(attachments.map(({ length }) => length).filter((length) => length >= 3_000)).toEqual([
    3_000,
    ...Array(11).fill(4_000),
  ])
  expect(digests.slice(-1)).toEqual([toHex(transfers.transferFor(digestOf(repetitive)).digest)])
})

it('A large envelope leaves no room, and the message is still a packet', () => {
  const directive = directiveOf('pi-7', [
    sectionOf({
      contents: [
        contentOf('ab'.repeat(32), 4_000, {
          encoding: 'identity',
          base: null,
          via: null,
          digest: new Uint8Array(32),
          size: 4_000,
        }),
      ],
    }),
  ])
  const packet = directivePacket(directive, new Uint8Array(59_000), () => new Uint8Array(4_000))
  expect(directiveMessage.decode(packet).attachments).toEqual([])
})
