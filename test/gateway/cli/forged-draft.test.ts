import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHex } from '@hypha/core/bytes/text.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKeyFile } from '../../../gateway/keys/key-file.ts'
import { encodeDraft, makeDraft } from '../../../gateway/keys/root-draft.ts'
import { openEnvelope, seedSigner, signMany } from '../../../src/trust/cose.ts'
import { crypto, signer } from '../../support/signed.ts'
import { jsonOf, runHypha } from './support.ts'

// One of the hands that hold root keys is a thief's. He hands on a draft that follows a version of his own making, in which his release key stands already: against
// that one the draft seems to change nothing but the end.

let folder: string
let forged: string
const thief = signer(77)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-forged-'))
  const home = join(folder, 'home')
  await jsonOf(home, ['init', 'garden', '--host', '127.0.0.1'])
  await jsonOf(home, ['root', 'renew', '--days', '100'])
  const { publicKey } = (await jsonOf(home, ['key', 'show'])).find(({ role }: { role: string }) => role === 'root')
  const genuine = rootMetadata.decode(
    openEnvelope(new Uint8Array(readFileSync(join(home, 'root/2.root'))), 'root', 12_288).unverifiedPayload,
  )
  // Signed by the thief alone, who has named himself beside the honest holder.
  const root = { threshold: 1, keys: [fromHex(publicKey), thief.publicKey] }
  const before = { ...genuine, root, release: { threshold: 1, keys: [thief.publicKey] } }
  const envelope = signMany(rootMetadata.encode(before), 'root', [thief])
  forged = join(folder, 'next.root')
  const draft = makeDraft(envelope, { expiresMs: genuine.expiresMs + 1 }, [thief])
  writeFileSync(forged, encodeDraft(draft))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('Where the fleet is known, such a draft is neither shown as one nor signed', async () => {
  const bytes = readFileSync(forged)
  for (const command of ['show', 'sign']) {
    const { code, stderr } = await runHypha(join(folder, 'home'), ['root', command, forged, '--json'])
    expect(code).not.toBe(0)
    expect(JSON.parse(stderr.trim())).toMatchObject({ error: { code: 'root-version' } })
  }
  expect(readFileSync(forged)).toEqual(bytes)
})

test('Where nothing is known, whoever is to sign is told so', async () => {
  mkdirSync(join(folder, 'bare'))
  const { stdout } = await runHypha(join(folder, 'bare'), ['root', 'show', forged])
  expect(stdout).toMatch(/expires .* instead of/)
  expect(stdout).toMatch(/! Nothing on this machine says that version 2 was as the draft has it/)
  expect(await jsonOf(join(folder, 'bare'), ['root', 'show', forged])).toMatchObject({ vouchedBy: 'draft' })
})

test('A draft that follows what only was written down, signed by nobody, is none', async () => {
  const { seed } = await openKeyFile(join(folder, 'home/keys/root.key'), 'correct horse battery staple')
  const genuine = readFileSync(join(folder, 'home/root/2.root'))
  const altered = rootMetadata.decode(openEnvelope(new Uint8Array(genuine), 'root', 12_288).unverifiedPayload)
  const unsigned = signMany(
    rootMetadata.encode({ ...altered, release: { threshold: 1, keys: [thief.publicKey] } }),
    'root',
    [thief],
  )
  const draft = makeDraft(unsigned, { expiresMs: altered.expiresMs + 1 }, [seedSigner(seed, crypto)])
  const path = join(folder, 'unsigned.root')
  writeFileSync(path, encodeDraft(draft))
  const { stderr } = await runHypha(join(folder, 'bare'), ['root', 'show', path, '--json'])
  expect(JSON.parse(stderr.trim())).toMatchObject({ error: { code: 'threshold-not-met' } })
})

test('A genuine draft goes on as before, and says that the home vouches for it', async () => {
  const home = join(folder, 'home')
  const before = new Uint8Array(readFileSync(join(home, 'root/2.root')))
  const { seed } = await openKeyFile(join(home, 'keys/root.key'), 'correct horse battery staple')
  const path = join(folder, 'genuine.root')
  const { expiresMs } = rootMetadata.decode(openEnvelope(before, 'root', 12_288).unverifiedPayload)
  writeFileSync(path, encodeDraft(makeDraft(before, { expiresMs: expiresMs + 86_400_000 }, [seedSigner(seed, crypto)])))
  expect(await jsonOf(home, ['root', 'show', path])).toMatchObject({ vouchedBy: 'home', version: 3 })
  expect(await jsonOf(home, ['root', 'sign', path])).toMatchObject({ version: 3, takenBy: 'home' })
})
