import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { GatewayKey } from '../../../gateway/keys/gateway-key.ts'
import type { KeyRole } from '../../../gateway/keys/key-box.ts'
import { createKeyFile, readKeyInfo } from '../../../gateway/keys/key-file.ts'
import { keyFilesIn, makeKeyFile, settleNames } from '../../../gateway/keys/key-folder.ts'
import { idOf } from '../../../gateway/keys/root-draft.ts'
import { makeRoot } from '../../support/signed.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
})

const make = (role: KeyRole, out?: string) =>
  makeKeyFile({ fleet: 'garden', role, protection: { unsafePlain: true }, out, folder })
const naming = (role: KeyRole, ...keys: Uint8Array[]): RootMetadata =>
  makeRoot({ version: 2, [role]: { threshold: 1, keys } })
const keyIn = (name: string) => readKeyInfo(join(folder, name)).publicKey

describe('The folder of keys', () => {
  it('gives a new key the name of its role, or one with its id where that is taken', async () => {
    const [first, second] = [await make('release'), await make('release')]
    expect(readdirSync(folder)).toEqual([`release-${idOf(second.publicKey)}.key`, 'release.key'])
    expect(first.path).toBe(join(folder, 'release.key'))
  })

  it('moves the name of a role to the key that root metadata names, and keeps the file that had it', async () => {
    const [old, next] = [await make('release'), await make('release')]
    const moved = settleNames(folder, naming('release', next.publicKey))
    expect(moved.map(({ from, to }) => [from, to])).toEqual([
      [old.path, join(folder, `release-${idOf(old.publicKey)}.key`)],
      [next.path, join(folder, 'release.key')],
    ])
    expect(bytesEqual(keyIn('release.key'), next.publicKey)).toBe(true)
    expect(bytesEqual(keyIn(`release-${idOf(old.publicKey)}.key`), old.publicKey)).toBe(true)
    expect(settleNames(folder, naming('release', next.publicKey))).toEqual([])
  })

  it('moves nothing while the key that has the name counts, or where no other does', async () => {
    const [old, next] = [await make('release'), await make('release')]
    expect(settleNames(folder, naming('release', old.publicKey, next.publicKey))).toEqual([])
    expect(settleNames(folder, naming('release', new Uint8Array(32)))).toEqual([])
  })

  it('goes on from where it was when it was ended between the two steps', async () => {
    const [old, next] = [await make('release'), await make('release')]
    const root = naming('release', next.publicKey)
    settleNames(folder, root)
    rmSync(join(folder, 'release.key'))
    const again = await createKeyFile(join(folder, 'release-again.key'), { ...next, protection: { unsafePlain: true } })
    expect(settleNames(folder, root)).toEqual([{ role: 'release', from: again.path, to: join(folder, 'release.key') }])
    expect(bytesEqual(keyIn(`release-${idOf(old.publicKey)}.key`), old.publicKey)).toBe(true)
  })

  it('tells of files that are no keys, and leaves them alone', async () => {
    await make('root')
    writeFileSync(join(folder, 'gateway.key'), 'not a key')
    const { keys, problems } = keyFilesIn(folder)
    expect([keys.map(({ role }) => role), problems.map(({ code }) => code)]).toEqual([['root'], ['key-file-malformed']])
    expect(settleNames(folder, makeRoot())).toEqual([])
  })
})

describe("The gateway's key", () => {
  it('is the one among its files that root metadata names', async () => {
    const [old, next] = [await make('gateway'), await make('gateway')]
    const key = new GatewayKey(folder)
    expect(await key.follow(naming('gateway', old.publicKey))).toBeNull()
    expect(bytesEqual(key.signer.publicKey, old.publicKey)).toBe(true)
    expect(await key.follow(naming('gateway', next.publicKey))).toBeNull()
    expect(bytesEqual(key.signer.publicKey, next.publicKey)).toBe(true)
    // While root metadata names both, the one in use stays.
    await key.follow(naming('gateway', next.publicKey, old.publicKey))
    expect(bytesEqual(key.signer.publicKey, old.publicKey)).toBe(true)
  })

  it('is missing, with the ids of what is named and what is there, where none fits; and found once it is brought', async () => {
    const old = await make('gateway')
    const next = await make('gateway', join(folder, 'elsewhere'))
    writeFileSync(join(folder, 'gateway-broken.key'), 'not a key')
    const key = new GatewayKey(folder)
    const problem = await key.follow(naming('gateway', next.publicKey))
    expect(problem?.code).toBe('gateway-key-missing')
    for (const part of [idOf(next.publicKey), idOf(old.publicKey), 'gateway-broken.key'])
      expect(problem?.message).toContain(part)
    expect(() => key.signer).toThrow(problem!.message)
    await createKeyFile(join(folder, 'gateway-2.key'), { ...next, protection: { unsafePlain: true } })
    expect(await key.follow(naming('gateway', next.publicKey))).toBeNull()
    expect(key.problem).toBeNull()
  })
})
