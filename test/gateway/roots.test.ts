import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { Roots } from '../../gateway/roots.ts'
import { LossyFiles } from '../support/lossy-files.ts'
import { crypto, expectCode, keys, makeRoot, signRoot, startMs, thief } from '../support/signed.ts'

const replaced = { threshold: 1, keys: [keys.root2.publicKey] }
const chain = [
  signRoot(makeRoot()),
  signRoot(makeRoot({ version: 2, root: replaced }), [keys.root, keys.root2]),
  signRoot(makeRoot({ version: 3, root: replaced }), [keys.root2]),
]

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-roots-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
})

const put = (...envelopes: readonly Uint8Array[]) => {
  for (const [index, envelope] of envelopes.entries()) writeFileSync(join(folder, `${index + 1}.root`), envelope)
}
const putWithout = (version: number) => {
  put(...chain)
  rmSync(join(folder, `${version}.root`))
}
const open = () => new Roots({ files: nodeFiles(folder), folder, fleet: 'garden', crypto })

test('The chain is verified from its beginning when it is opened', () => {
  put(...chain)
  writeFileSync(join(folder, 'next.root'), 'a draft')
  const roots = open()
  expect(roots.current.version).toBe(3)
  expect(roots.chain.map(toHex)).toEqual(chain.map(toHex))
  expect(toHex(roots.first)).toBe(toHex(chain[0]!))
})

test.each<[string, () => void, RegExp]>([
  ['nothing is there', () => undefined, /1\.root/],
  ['a version is missing', () => putWithout(2), /2\.root/],
  ['the first is missing', () => putWithout(1), /1\.root/],
  [
    'one is not signed by the one before',
    () => put(chain[0]!, signRoot(makeRoot({ version: 2 }), [thief])),
    /2\.root: .*threshold-not-met/,
  ],
  ['one is damaged', () => put(chain[0]!, new Uint8Array(3)), /2\.root/],
  ['the first is not the first', () => put(signRoot(makeRoot({ version: 2 }))), /1\.root/],
  ['it is of another fleet', () => put(signRoot(makeRoot({ fleet: 'cellar' }))), /wrong-fleet/],
])('It is refused, with the file that is to blame, when %s', (_, prepare, text) => {
  prepare()
  expectCode('home-malformed', open)
  expect(open).toThrow(text)
})

test('Newer versions are taken while it runs, and are there at the next start', async () => {
  put(chain[0]!)
  const roots = open()
  expect(await roots.add(chain.slice(1), startMs)).toBe(2)
  expect(roots.current.version).toBe(3)
  expect(await roots.add(chain, startMs)).toBe(0)
  expect(open().chain.map(toHex)).toEqual(chain.map(toHex))
})

test('What does not follow is refused as a whole, and leaves nothing behind', async () => {
  put(chain[0]!)
  const roots = open()
  const wrong = signRoot(makeRoot({ version: 3, root: replaced }), [thief])
  await expect(roots.add([chain[1]!, wrong], startMs)).rejects.toMatchObject({ code: 'threshold-not-met' })
  await expect(roots.add([chain[2]!], startMs)).rejects.toMatchObject({ code: 'root-version' })
  const expired = signRoot(makeRoot({ version: 2, expiresMs: startMs }))
  await expect(roots.add([expired], startMs)).rejects.toMatchObject({ code: 'metadata-expired' })
  expect(roots.current.version).toBe(1)
  expect(readdirSync(folder)).toEqual(['1.root'])
})

test('Of two that follow the same version only the first is taken', async () => {
  put(chain[0]!)
  const roots = open()
  const other = signRoot(makeRoot({ version: 2, expiresMs: startMs + 1_000 }))
  const [first, second] = await Promise.allSettled([roots.add([chain[1]!], startMs), roots.add([other], startMs)])
  expect(first).toMatchObject({ status: 'fulfilled', value: 1 })
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'root-version' } })
})

test('A version that was seen outside is durable, at whichever write the power goes', async () => {
  const openOn = (files: LossyFiles) => new Roots({ files, folder, fleet: 'garden', crypto })
  const fresh = async (options = {}) => {
    const files = new LossyFiles()
    const file = files.open('1.root')
    file.writeAt(0, chain[0]!)
    await file.sync()
    file.close()
    await files.syncFolder('')
    return files.afterPowerCut(0, options)
  }
  const whole = await fresh()
  await openOn(whole).add(chain, startMs)
  expect(whole.operations).toBeGreaterThan(8)
  for (let cutAt = 1; cutAt <= whole.operations; cutAt++) {
    const files = await fresh({ cutAt })
    const roots = openOn(files)
    await roots.add(chain, startMs).catch((error: unknown) => expect(files.cut, String(error)).toBe(true))
    const after = openOn(files.afterPowerCut(cutAt))
    expect(after.current.version).toBeGreaterThanOrEqual(roots.current.version)
    await after.add(chain, startMs)
    expect(after.current.version).toBe(3)
  }
})
