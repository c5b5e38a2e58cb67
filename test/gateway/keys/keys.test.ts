import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import { TrustRules, trustFirstRoot } from '@hypha/core/trust/rules.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFleet, followRoot } from '../../../gateway/keys/fleet.ts'
import { createKeyFile, openKeyFile, readKeyInfo } from '../../../gateway/keys/key-file.ts'
import { findSessionFolder, KeySession, maxUnlockMs } from '../../../gateway/keys/session.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const passphrase = 'correct horse battery staple'
const codeOf = (run: () => unknown) =>
  new Promise((resolve) => resolve(run())).then(
    () => null,
    (error: unknown) => (error instanceof HyphaError ? error.code : error),
  )
const make = (name = 'release.key', protection: Parameters<typeof createKeyFile>[1]['protection'] = { passphrase }) =>
  createKeyFile(join(folder, 'keys', name), { fleet: 'garden', role: 'release', protection })

describe('A key file', () => {
  it('gives its key back for the passphrase, and says what it is without it', async () => {
    const { path, seed, publicKey } = await make()
    expect(readKeyInfo(path)).toEqual({ path, fleet: 'garden', role: 'release', publicKey, locked: true })
    expect((await openKeyFile(path, passphrase)).seed).toEqual(seed)
    expect(nodeCrypto.publicKey(seed)).toEqual(publicKey)
  })

  it('is readable by its owner only, and does not hold the seed in the open', async () => {
    const { path, seed } = await make()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'keys')).mode & 0o777).toBe(0o700)
    const body = Buffer.from(readFileSync(path, 'latin1').replace(/^#.*$/gm, ''), 'base64')
    expect(body.includes(Buffer.from(seed))).toBe(false)
  })

  it('is opened by a passphrase that was typed in another Unicode form', async () => {
    const { path, seed } = await make('release.key', { passphrase: 'schl\u00fcssel' })
    expect((await openKeyFile(path, 'schlu\u0308ssel')).seed).toEqual(seed)
  })

  it('stays shut without the passphrase or with a wrong one', async () => {
    const { path } = await make()
    expect(await codeOf(() => openKeyFile(path, null))).toBe('passphrase-needed')
    expect(await codeOf(() => openKeyFile(path, 'guess'))).toBe('passphrase-wrong')
  })

  it('is not made with an empty passphrase, and never overwritten', async () => {
    expect(await codeOf(() => make('a.key', { passphrase: '' }))).toBe('passphrase-needed')
    const { path } = await make()
    const before = readFileSync(path)
    expect(await codeOf(() => make())).toBe('key-file-exists')
    expect(readFileSync(path)).toEqual(before)
  })

  it('that is not locked is refused when others can read it', async () => {
    const { path, seed } = await make('gateway.key', { unsafePlain: true })
    expect((await openKeyFile(path, null)).seed).toEqual(seed)
    chmodSync(path, 0o644)
    expect(await codeOf(() => openKeyFile(path, null))).toBe('key-file-exposed')
  })

  it('is refused when it is missing, no key file, or changed', async () => {
    expect(await codeOf(() => readKeyInfo(join(folder, 'none')))).toBe('key-file-missing')
    const { path } = await make()
    const text = readFileSync(path, 'latin1')
    writeFileSync(path, 'hello world!')
    expect(await codeOf(() => readKeyInfo(path))).toBe('key-file-malformed')
    const body = Buffer.from(text.replace(/^#.*$/gm, ''), 'base64')
    // The role, the third byte of the value: a release key must not pass as another one.
    const role = body.indexOf(Buffer.from([0x02, 0x01, 0x03]))
    expect(role).toBeGreaterThan(0)
    body[role + 1] = 0
    writeFileSync(path, body.toString('base64'))
    expect(readKeyInfo(path).role).toBe('root')
    expect(await codeOf(() => openKeyFile(path, passphrase))).toBe('key-file-malformed')
  })
})

describe('A session', () => {
  let nowMs = 1_000_000
  const ask = () => Promise.resolve(null)
  const session = () => new KeySession({ folder: join(folder, 'run'), nowMs: () => nowMs })

  it('opens an unlocked key without asking, until its time is over', async () => {
    const { path, seed } = await make()
    const { expiresMs } = await session().unlockFor(path, passphrase, 60_000)
    expect(expiresMs).toBe(nowMs + 60_000)
    expect((await session().open(path, ask)).seed).toEqual(seed)
    nowMs = expiresMs
    expect(await codeOf(() => session().open(path, ask))).toBe('passphrase-needed')
    nowMs = expiresMs - 1
    expect(await codeOf(() => session().open(path, ask)), 'it is gone, not only expired').toBe('passphrase-needed')
  })

  it('does not last longer when the clock is set back', async () => {
    const { path } = await make()
    await session().unlockFor(path, passphrase, maxUnlockMs)
    nowMs -= 1
    expect(await codeOf(() => session().open(path, ask))).toBe('passphrase-needed')
  })

  it('ends when the key is locked', async () => {
    const { path } = await make()
    await session().unlockFor(path, passphrase, 60_000)
    expect(session().lock(path)).toBe(true)
    expect(session().lock(path)).toBe(false)
    expect(await codeOf(() => session().open(path, ask))).toBe('passphrase-needed')
  })

  it('ends for all keys at once', async () => {
    const { path } = await make()
    await session().unlockFor(path, passphrase, 60_000)
    session().lockAll()
    expect(session().lock(path)).toBe(false)
  })

  it('asks for the passphrase of a locked key, and not for one that needs none', async () => {
    const locked = await make()
    const plain = await make('gateway.key', { unsafePlain: true })
    expect((await session().open(locked.path, () => Promise.resolve(passphrase))).seed).toEqual(locked.seed)
    const never = () => Promise.reject(new Error('it asked'))
    expect((await session().open(plain.path, never)).seed).toEqual(plain.seed)
  })

  it('gives no key that the file holds no more', async () => {
    const { path } = await make()
    await session().unlockFor(path, passphrase, 60_000)
    rmSync(path)
    await make()
    expect(await codeOf(() => session().open(path, ask))).toBe('passphrase-needed')
  })

  it('refuses a folder or a file that others can reach', async () => {
    const { path } = await make()
    await session().unlockFor(path, passphrase, 60_000)
    chmodSync(join(folder, 'run'), 0o755)
    expect(await codeOf(() => session().open(path, ask))).toBe('key-file-exposed')
    rmSync(join(folder, 'run'), { recursive: true })
    symlinkSync(folder, join(folder, 'run'))
    expect(await codeOf(() => session().open(path, ask))).toBe('key-file-exposed')
  })

  it('says so where the machine has no folder in memory', async () => {
    const { path } = await make()
    const none = new KeySession({ folder: null, nowMs: () => nowMs })
    expect(await codeOf(() => none.unlockFor(path, passphrase, 60_000))).toBe('runtime-folder-missing')
    expect(await codeOf(() => none.open(path, ask))).toBe('passphrase-needed')
  })

  it('takes no folder on a disk for one in memory', () => {
    const found = findSessionFolder({ XDG_RUNTIME_DIR: process.cwd() })
    expect(found === null || !found.startsWith(process.cwd())).toBe(true)
  })
})

describe('A new fleet', () => {
  const nowMs = Date.UTC(2026, 0, 1)
  const protection = { root: { passphrase }, release: { passphrase }, gateway: { unsafePlain: true } } as const

  it('has a key for each role and root metadata that a node can pin', async () => {
    const fleet = await createFleet({ fleet: 'garden', folder, protection, nowMs })
    const pinned = { digest: fleet.rootDigest, fleet: 'garden', node: 'pi-7' }
    const rules = new TrustRules(trustFirstRoot(fleet.root, pinned, nodeCrypto), nodeCrypto)
    expect(rules.root).toEqual(fleet.metadata)
    for (const role of ['root', 'release', 'gateway'] as const) {
      expect(fleet.metadata[role].keys).toEqual([readKeyInfo(fleet.keyFiles[role]).publicKey])
    }
  })

  it('can replace its keys by root metadata that follows', async () => {
    const fleet = await createFleet({ fleet: 'garden', folder, protection, nowMs })
    const rules = new TrustRules(
      trustFirstRoot(fleet.root, { digest: fleet.rootDigest, fleet: 'garden', node: 'pi-7' }, nodeCrypto),
      nodeCrypto,
    )
    const { seed } = await openKeyFile(fleet.keyFiles.root, passphrase)
    const gateway = { threshold: 1, keys: [nodeCrypto.publicKey(nodeCrypto.random(32))] }
    const next = followRoot(fleet.metadata, { gateway }, [seedSigner(seed, nodeCrypto)])
    expect(rules.updateRoot([next], nowMs)).toEqual({ ...fleet.metadata, version: 2, gateway })
  })

  it('overwrites no keys', async () => {
    await createFleet({ fleet: 'garden', folder, protection, nowMs })
    expect(await codeOf(() => createFleet({ fleet: 'garden', folder, protection, nowMs }))).toBe('key-file-exists')
  })
})
