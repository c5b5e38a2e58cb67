import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { PatchSource } from '../../../gateway/distribute/patches.ts'
import { createTransfers } from '../../../gateway/distribute/transfers.ts'
import { digestOf } from '../../../gateway/store/contents.ts'
import { settle } from '../../support/journal-run.ts'
import { temporaryStore } from '../store/support.ts'

const noise = (length: number) => new Uint8Array(randomBytes(length))

/** Makes patches when it is told to. */
class HandMaker implements PatchSource {
  ready = true
  readonly asked: { bytes: number; made: (patch: Uint8Array<ArrayBuffer> | null) => void }[] = []
  warm(): void {
    // It is told when to make each.
  }
  failed(error: unknown): void {
    throw error
  }
  make(base: Uint8Array, content: Uint8Array) {
    return new Promise<Uint8Array<ArrayBuffer> | null>((made) => {
      this.asked.push({ bytes: base.length + content.length, made })
    })
  }
}

function open() {
  const { contents } = temporaryStore()
  const maker = new HandMaker()
  const transfers = createTransfers(contents, maker)
  /** What came of waiting for `prepare`, and the base and the content. */
  const begin = (base: Uint8Array, content: Uint8Array) => {
    const digests = { base: contents.put(base), content: digestOf(content) }
    const prepared = transfers.prepare(
      new Map([[digests.content, content]]),
      new Map([[digests.content, [digests.base]]]),
    )
    const encoding = () => transfers.transferFor(digests.content, () => new Set([digests.base])).encoding
    return { ...digests, prepared, encoding }
  }
  return { contents, maker, begin }
}

test('a push waits for a patch that is worth it, and nodes that hold its base are sent it', async () => {
  const { contents, maker, begin } = open()
  const [base, content] = [noise(20_000), noise(20_000)]
  const { prepared, encoding } = begin(base, content)
  await expect.poll(() => maker.asked.length).toBe(1)
  maker.asked[0]!.made(noise(100))
  const keep = await prepared
  contents.put(content)
  keep()
  expect(encoding()).toBe('patch')
})

test('a push goes on without what is made too late, and it serves those that come later', async () => {
  const { contents, maker, begin } = open()
  maker.ready = false
  const content = noise(20_000)
  const { prepared, encoding } = begin(noise(20_000), content)
  const keep = await prepared
  contents.put(content)
  keep()
  expect(encoding()).toBe('identity')
  maker.asked[0]!.made(noise(100))
  await settle()
  expect(encoding()).toBe('patch')
})

test('what travels within the directive is not patched, nor what is large is waited for', async () => {
  const { maker, begin } = open()
  await begin(noise(3_000), noise(3_000)).prepared
  expect(maker.asked).toEqual([])
  await begin(noise(400_000), noise(400_000)).prepared
  expect(maker.asked.length).toBe(1)
})

test('a patch that is no smaller than the whole is not kept, nor one of a push that came to nothing', async () => {
  const { contents, maker, begin } = open()
  maker.ready = false
  const [content, other] = [noise(20_000), noise(20_000)]
  const kept = begin(noise(20_000), content)
  const keep = await kept.prepared
  contents.put(content)
  keep()
  maker.asked[0]!.made(noise(20_000))
  const failed = begin(noise(20_000), other)
  await failed.prepared
  maker.asked[1]!.made(noise(10))
  await settle()
  expect(kept.encoding()).toBe('identity')
  expect(contents.patchesOf(failed.content)).toEqual([])
})
