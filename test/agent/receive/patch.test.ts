import { readFileSync } from 'node:fs'
import { toHex } from '@hypha/core/bytes/text.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { chunkBytes } from '@hypha/core/wire/messages/want.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LossyFiles } from '../../support/lossy-files.ts'
import { noise, plain, sha256, start } from './support.ts'

const vector = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url)))
const [old, now] = [vector('sampler-old'), vector('sampler-new')]

function patched(base: Uint8Array, content: Uint8Array, sent: Uint8Array): Content {
  const transfer = {
    encoding: 'patch',
    base: sha256(base),
    via: null,
    digest: sha256(sent),
    size: sent.length,
  } as const
  return { digest: sha256(content), size: content.length, transfer }
}

/** A receiver that holds `base`, and whose gateway serves `sent`. */
async function holding(base: Uint8Array, sent: Uint8Array, files = new LossyFiles()) {
  const started = await start(sent, files)
  await started.receiver.contents.put(sha256(base), base)
  return { ...started, files }
}

test('a patch of what the node holds makes the content, and the node holds both until one is let go', async () => {
  const { bytes: patch } = makePatch(old, now, brotli)
  const { receiver, gateway } = await holding(old, patch)
  const content = patched(old, now, patch)
  expect(await receiver.fetch(content, { attachments: [patch] })).toEqual(now)
  expect(gateway.wants).toEqual([])
  expect(receiver.contents.list().map(toHex).sort()).toEqual([old, now].map((bytes) => toHex(sha256(bytes))).sort())
})

test('a patch of what is gone or damaged is refused before anything is asked for, and what is damaged is held no more', async () => {
  const { bytes: patch } = makePatch(old, now, brotli)
  const content = patched(old, now, patch)
  const without = await start(patch, new LossyFiles())
  await expect(without.receiver.fetch(content)).rejects.toMatchObject({ code: 'patch-base-missing' })
  expect(without.gateway.wants).toEqual([])

  const { receiver, gateway, files } = await holding(old, patch)
  files.open(`contents/${toHex(sha256(old))}`).writeAt(7, Uint8Array.of(old[7]! ^ 1))
  await expect(receiver.fetch(content)).rejects.toMatchObject({ code: 'patch-base-missing' })
  expect(gateway.wants).toEqual([])
  expect(receiver.contents.list()).toEqual([])
})

test('a patch that makes another content than the directive says is refused, and nothing is kept', async () => {
  const { bytes: patch } = makePatch(old, now, brotli)
  const { receiver, files } = await holding(old, patch)
  const content = patched(old, now, patch)
  for (const [wrong, code] of [
    [{ ...content, digest: new Uint8Array(32) }, 'content-mismatch'],
    [{ ...content, size: now.length + 1 }, 'content-mismatch'],
    [{ ...content, size: now.length - 1 }, 'bytes-too-long'],
  ] as const) {
    await expect(receiver.fetch(wrong, { attachments: [patch] })).rejects.toMatchObject({ code })
  }
  expect(receiver.contents.list()).toEqual([sha256(old)])
  expect(files.list('partial')).toEqual([])
})

test('two contents that change in the same way come by the same patch', async () => {
  const [a, b] = [noise(3_000), noise(4_000)]
  const next = (bytes: Uint8Array) => Uint8Array.of(...bytes, 1, 2, 3)
  // What a patch says in so few bytes may hold for both: here it is made to.
  const patch = Uint8Array.of(9)
  const { receiver } = await start(patch, new LossyFiles(), {}, async (base) => next(base))
  for (const bytes of [a, b]) await receiver.contents.put(sha256(bytes), bytes)
  const fetched = [a, b].map((bytes) => receiver.fetch(patched(bytes, next(bytes), patch)))
  expect(await Promise.all(fetched)).toEqual([next(a), next(b)])
})

test('cut at any write, a large patch goes on from the chunks that were synced', async () => {
  const base = noise(1_000)
  const content = noise(3 * chunkBytes + 9)
  const { bytes: patch } = makePatch(base, content, brotli)
  expect(patch.length).toBeGreaterThan(3 * chunkBytes)
  const wanted = patched(base, content, patch)
  let resumed = 0
  for (let cutAt = 1; ; cutAt++) {
    const prepared = new LossyFiles()
    await (await start(patch, prepared)).receiver.contents.put(sha256(base), base)
    const files = prepared.afterPowerCut(1, { cutAt })
    await start(patch, files, { windowChunks: 1 })
      .then(({ receiver }) => receiver.fetch(wanted))
      .catch(() => expect(files.cut).toBe(true))
    const whole = !files.cut
    const after = await start(patch, files.afterPowerCut(cutAt))
    expect(sha256(await after.receiver.fetch(wanted))).toEqual(wanted.digest)
    resumed += after.gateway.served < 4 ? 1 : 0
    if (whole) break
  }
  expect(resumed).toBeGreaterThan(0)
})

test('whatever bytes come as a patch, or stand on the disk as its base: the content, or a clear refusal', async () => {
  const { bytes: good } = makePatch(old, now, brotli)
  const anyBytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 600 }),
    fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const changed = Uint8Array.from(good)
      changed[at]! ^= flip
      return changed
    }),
    fc.nat(good.length - 1).map((length) => good.slice(0, length + 1)),
  )
  const anyBase = fc.oneof(fc.constant(old), fc.uint8Array({ maxLength: 400 }))
  await fc.assert(
    fc.asyncProperty(anyBytes, anyBase, async (patch, base) => {
      const { receiver } = await holding(base, patch)
      const outcome = await receiver.fetch(patched(base, now, patch), { attachments: [patch] }).catch((error) => error)
      if (!(outcome instanceof HyphaError)) {
        expect(sha256(outcome)).toEqual(sha256(now))
        return
      }
      expect(outcome.code).toMatch(/^(delta-malformed|delta-base-wrong|content-mismatch|bytes-too-long)$/)
      expect(receiver.contents.list()).toEqual([sha256(base)])
    }),
    { numRuns: 150 },
  )
})

test('a content that stands alone is served whole beside a patch that was refused', async () => {
  const patch = Uint8Array.of(255, 1, 2)
  const { receiver } = await holding(old, patch)
  const refused = receiver.fetch(patched(old, now, patch), { attachments: [patch] })
  await expect(refused).rejects.toMatchObject({ code: 'delta-malformed' })
  expect(await receiver.fetch(plain(now), { attachments: [now] })).toEqual(now)
})
