import { toHex } from '@hypha/core/bytes/text.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { chunkBytes } from '@hypha/core/wire/messages/want.ts'
import { expect, test } from 'vitest'
import { settle } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { noise, packed, plain, sha256, start } from './support.ts'

test('a content comes chunk by chunk, and is there after a restart', async () => {
  const bytes = noise(5 * chunkBytes + 100)
  const files = new LossyFiles()
  const { receiver, gateway } = await start(bytes, files, { windowChunks: 2 })
  const seen: number[] = []
  expect(sha256(await receiver.fetch(plain(bytes), { onProgress: (count) => seen.push(count) }))).toEqual(sha256(bytes))
  expect(seen.at(-1)).toBe(bytes.length)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(gateway.wants.map(({ ranges }) => ranges)).toEqual([
    [{ first: 0, count: 2 }],
    [{ first: 2, count: 2 }],
    [{ first: 4, count: 2 }],
  ])
  expect(gateway.subscribed).toBe(0)
  expect(files.list('partial')).toEqual([])
  const again = await start(bytes, files.afterPowerCut(1))
  expect(sha256(await again.receiver.fetch(plain(bytes)))).toEqual(sha256(bytes))
  expect(again.gateway.wants).toEqual([])
})

test('a small content comes with the directive', async () => {
  const { content, sent } = packed(new Uint8Array(3_000).fill(5))
  const { receiver, gateway } = await start(sent, new LossyFiles())
  const bytes = await receiver.fetch(content, { attachments: [Uint8Array.of(1), sent] })
  expect(sha256(bytes)).toEqual(content.digest)
  expect(gateway.wants).toEqual([])
})

test('what was lost is asked for again, and nothing else', async () => {
  const bytes = noise(4 * chunkBytes)
  const { receiver, gateway, clock } = await start(bytes, new LossyFiles(), { retryMs: 1_000 })
  gateway.alter = (index, chunk) => (index === 1 && gateway.wants.length < 3 ? null : [index, chunk])
  const fetched = receiver.fetch(plain(bytes))
  await settle()
  clock.advance(1_000)
  await settle()
  expect(gateway.wants.length).toBe(2)
  clock.advance(1_999)
  expect(gateway.wants.length).toBe(2)
  clock.advance(1)
  expect(sha256(await fetched)).toEqual(sha256(bytes))
  expect(gateway.wants.slice(1).map(({ ranges }) => ranges)).toEqual([
    [{ first: 1, count: 1 }],
    [{ first: 1, count: 1 }],
  ])
})

test('when the link is back it asks at once', async () => {
  const bytes = noise(100)
  const { receiver, gateway } = await start(bytes, new LossyFiles())
  gateway.online = false
  const fetched = receiver.fetch(plain(bytes))
  await settle()
  gateway.online = true
  receiver.retry()
  expect(sha256(await fetched)).toEqual(sha256(bytes))
})

test('chunks of a wrong length or number are passed over', async () => {
  const bytes = noise(3 * chunkBytes + 5)
  const { receiver, gateway } = await start(bytes, new LossyFiles())
  const bad: [number, Uint8Array][] = [
    [-1, new Uint8Array(chunkBytes)],
    [4, new Uint8Array(5)],
    [1e9, new Uint8Array(chunkBytes)],
    [0.5, new Uint8Array(chunkBytes)],
    [3, new Uint8Array(chunkBytes)],
    [0, new Uint8Array(chunkBytes - 1)],
  ]
  gateway.alter = (index, chunk) => (gateway.served < bad.length ? bad[gateway.served]! : [index, chunk])
  const fetched = receiver.fetch(plain(bytes))
  await settle()
  receiver.retry()
  await settle()
  receiver.retry()
  expect(sha256(await fetched)).toEqual(sha256(bytes))
})

test('a transfer with a wrong chunk is fetched anew, and given up when it stays wrong', async () => {
  const bytes = noise(2 * chunkBytes)
  const { receiver, gateway } = await start(bytes, new LossyFiles())
  gateway.alter = (index, chunk) => [index, gateway.wants.length < 2 ? new Uint8Array(chunk.length) : chunk]
  expect(sha256(await receiver.fetch(plain(bytes)))).toEqual(sha256(bytes))
  expect([gateway.subscriptions, gateway.subscribed]).toEqual([1, 0])

  const files = new LossyFiles()
  const worse = await start(bytes, files, { attempts: 3 })
  worse.gateway.alter = (index, chunk) => [index, new Uint8Array(chunk.length)]
  await expect(worse.receiver.fetch(plain(bytes))).rejects.toMatchObject({ code: 'content-mismatch' })
  expect(worse.gateway.wants.length).toBe(3)
  expect(files.list('partial')).toEqual([])
  expect(files.list('contents')).toEqual([])
})

test('a content over the cap, a patch of nothing, a base without a patch, and one that contradicts itself are refused before anything is asked for', async () => {
  const bytes = noise(1_000)
  const { receiver, gateway } = await start(bytes, new LossyFiles(), { maxBytes: 1_000 })
  const good = plain(bytes)
  const transfer = good.transfer
  for (const [content, code] of [
    [{ ...good, size: 1_001, transfer: { ...transfer, encoding: 'brotli' } }, 'bytes-too-long'],
    [{ ...good, transfer: { ...transfer, size: 1_001, encoding: 'brotli' } }, 'bytes-too-long'],
    [{ ...good, transfer: { ...transfer, base: good.digest } }, 'content-mismatch'],
    [{ ...good, transfer: { ...transfer, encoding: 'patch' } }, 'content-mismatch'],
    [{ ...good, transfer: { ...transfer, size: 999 } }, 'content-mismatch'],
  ] as [Content, string][]) {
    await expect(receiver.fetch(content)).rejects.toMatchObject({ code })
  }
  expect(gateway.wants).toEqual([])
})

test('a decompression bomb, a wrong size and a wrong digest are refused', async () => {
  const bomb = packed(new Uint8Array(40_000_000))
  const { receiver } = await start(bomb.sent, new LossyFiles())
  await expect(receiver.fetch({ ...bomb.content, size: 1_000 })).rejects.toMatchObject({ code: 'bytes-too-long' })
  const short = packed(new Uint8Array(10))
  const fetchShort = (content: Content) => receiver.fetch(content, { attachments: [short.sent] })
  await expect(fetchShort({ ...short.content, size: 11 })).rejects.toMatchObject({ code: 'content-mismatch' })
  await expect(fetchShort({ ...short.content, digest: new Uint8Array(32) })).rejects.toMatchObject({
    code: 'content-mismatch',
  })
  const none = packed(new Uint8Array(10), Uint8Array.of(1, 2, 3))
  await expect(receiver.fetch(none.content, { attachments: [none.sent] })).rejects.toMatchObject({
    code: 'bytes-malformed',
  })
})

test('a full disk fails the fetch, and what has come is used when there is room', async () => {
  const bytes = noise(4 * chunkBytes)
  const files = new LossyFiles({ capacityBytes: 3 * chunkBytes })
  const { receiver, gateway } = await start(bytes, files)
  await expect(receiver.fetch(plain(bytes))).rejects.toMatchObject({ code: 'disk-full' })
  files.capacityBytes = Number.POSITIVE_INFINITY
  expect(sha256(await receiver.fetch(plain(bytes)))).toEqual(sha256(bytes))
  expect(gateway.wants.at(-1)!.ranges[0]!.first).toBeGreaterThan(1)
})

test('a fetch that is not wanted any more ends, and goes on later', async () => {
  const bytes = noise(2 * chunkBytes)
  const { receiver, gateway } = await start(bytes, new LossyFiles())
  gateway.alter = (index, chunk) => (index === 1 && gateway.wants.length < 2 ? null : [index, chunk])
  const controller = new AbortController()
  const fetched = receiver.fetch(plain(bytes), { signal: controller.signal })
  await settle()
  controller.abort()
  await expect(fetched).rejects.toMatchObject({ code: 'receive-ended' })
  expect(gateway.subscribed).toBe(0)
  expect(sha256(await receiver.fetch(plain(bytes)))).toEqual(sha256(bytes))
  expect(gateway.wants[1]!.ranges).toEqual([{ first: 1, count: 1 }])
})

test('who asks again while an ended fetch is still ending is served, and so is who had joined it', async () => {
  const bytes = noise(2 * chunkBytes)
  const { receiver, gateway } = await start(bytes, new LossyFiles())
  gateway.online = false
  const controller = new AbortController()
  const ended = receiver.fetch(plain(bytes), { signal: controller.signal }).catch((error) => error.code)
  const joined = receiver.fetch(plain(bytes))
  await settle()
  controller.abort()
  gateway.online = true
  const again = receiver.fetch(plain(bytes))
  expect(await ended).toBe('receive-ended')
  expect(sha256(await joined)).toEqual(sha256(bytes))
  expect(sha256(await again)).toEqual(sha256(bytes))
  expect(gateway.subscribed).toBe(0)
})

test('bytes that changed on the disk are fetched again', async () => {
  const bytes = noise(50)
  const files = new LossyFiles()
  const { receiver, gateway } = await start(bytes, files)
  await receiver.fetch(plain(bytes))
  files.open(`contents/${toHex(sha256(bytes))}`).writeAt(7, Uint8Array.of(bytes[7]! ^ 1))
  expect(sha256(await receiver.fetch(plain(bytes)))).toEqual(sha256(bytes))
  expect(gateway.wants.length).toBe(2)
})

test('only what is retained stays', async () => {
  const [one, two] = [noise(50), noise(60)]
  const files = new LossyFiles()
  const { receiver } = await start(one, files)
  for (const bytes of [one, two]) await receiver.fetch(plain(bytes), { attachments: [bytes] })
  await receiver.retain([sha256(two)], [])
  expect(receiver.contents.list()).toEqual([sha256(two)])
  expect(files.list('contents')).toEqual([toHex(sha256(two))])
})

test('cut at any write and any chunk, it goes on from what was synced, and ends with the right bytes', async () => {
  const bytes = noise(6 * chunkBytes + 7)
  const content = plain(bytes)
  let saved = 0
  for (let cutAt = 1; ; cutAt++) {
    const files = new LossyFiles({ cutAt })
    let durable = 0
    await start(bytes, files, { windowChunks: 2 })
      .then(({ receiver }) => receiver.fetch(content, { onProgress: (count) => (durable = count) }))
      .catch(() => expect(files.cut).toBe(true))
    const whole = !files.cut
    const after = await start(bytes, files.afterPowerCut(cutAt))
    const expected = Math.ceil((bytes.length - durable) / chunkBytes)
    expect(sha256(await after.receiver.fetch(content))).toEqual(sha256(bytes))
    expect(after.gateway.served).toBeLessThanOrEqual(expected)
    saved += 7 - after.gateway.served
    if (whole) break
  }
  expect(saved).toBeGreaterThan(0)
})
