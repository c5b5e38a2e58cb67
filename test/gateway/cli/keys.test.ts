import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jsonOf, runHypha } from './support.ts'

// Keys and root metadata from the command line, in a fleet's folder without a gateway.

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-keys-'))
  const made = await runHypha(folder, ['init', 'garden', '--host', '127.0.0.1'])
  expect(made.stderr).toBe('')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const failed = async (...args: string[]) => {
  const { code, stderr } = await runHypha(folder, [...args, '--json'])
  const { error } = JSON.parse(stderr.trim()) as { error: { code: string; message: string; mend: string } }
  return { exit: code, ...error }
}

test('root shows roles, thresholds, key ids and files as lines that fit a terminal', async () => {
  const shown = await jsonOf(folder, ['root'])
  expect(shown).toMatchObject({ fleet: 'garden', version: 1, roles: { release: { threshold: 1 } }, draft: null })
  const { stdout } = await runHypha(folder, ['root'], { env: { COLUMNS: '80' } })
  expect(stdout).toMatch(
    /^Version 1 of garden; expires \d{4}-\d\d-\d\d \(in 182\d d\)\n\nROLE +MUST SIGN +KEY ID +FILE HERE\n/,
  )
  expect(stdout).toContain(shown.roles.release.keys[0].id)
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
})

test('a key that is made counts only once root metadata names it, and says so', async () => {
  const made = await jsonOf(folder, ['key', 'new', 'release', '--unlocked'])
  expect(made).toMatchObject({
    role: 'release',
    fleet: 'garden',
    locked: false,
    path: join(folder, 'keys', `release-${made.id}.key`),
  })
  const named = async () =>
    (await jsonOf(folder, ['key', 'show'])).find((key: { id: string }) => key.id === made.id)!.named as boolean
  expect(await named()).toBe(false)
  const added = await jsonOf(folder, ['key', 'add', 'release', made.path])
  expect(added).toMatchObject({
    version: 2,
    takenBy: 'home',
    draft: null,
    moved: [],
    changes: [`release: key ${made.id} is added`],
  })
  expect(await named()).toBe(true)
  rmSync(made.path)
  const shown = await jsonOf(folder, ['key', 'show'])
  expect(shown.find(({ id }: { id: string }) => id === made.id)).toMatchObject({ path: null, named: true })
  expect((await runHypha(folder, ['key', 'show'])).stdout).toMatch(/file +not here\nkey id +/)
  // Two of them by now: which one goes has to be said, and one has to stay.
  expect((await jsonOf(folder, ['key', 'revoke', 'release', made.id])).changes).toEqual([
    `release: key ${made.id} is revoked`,
  ])
})

test('a folder that holds a fleet is refused before a passphrase is asked for', async () => {
  expect(await failed('init', 'another')).toMatchObject({ exit: 2, code: 'home-in-use' })
  const { stderr } = await runHypha(folder, ['init', 'another'], { env: { HYPHA_PASSPHRASE: '' } })
  expect(stderr).toMatch(/home-in-use/)
})

test('renewing changes nothing but the end', async () => {
  const before = await jsonOf(folder, ['root'])
  const { changes, version } = await jsonOf(folder, ['root', 'renew', '--days', '100'])
  expect([version, changes]).toEqual([before.version + 1, [expect.stringMatching(/^expires .* instead of /)]])
  expect((await jsonOf(folder, ['root'])).roles).toEqual(before.roles)
})

test('no key is made where the root key does not open, and a key that nobody has is said to be none', async () => {
  const files = readdirSync(join(folder, 'keys'))
  const wrong = await runHypha(folder, ['key', 'rotate', 'release', '--json'], { env: { HYPHA_PASSPHRASE: 'wrong' } })
  expect([wrong.code, JSON.parse(wrong.stderr).error.code]).toEqual([2, 'passphrase-wrong'])
  expect(readdirSync(join(folder, 'keys'))).toEqual(files)
  expect(await failed('key', 'revoke', 'release', 'deadbeef')).toMatchObject({
    exit: 2,
    code: 'argument-invalid',
    message: expect.stringContaining('"deadbeef" is neither the id of a release key'),
  })
})

test('what is no draft is named, and neither read without end nor taken for a defect', async () => {
  const garbage = join(folder, 'garbage')
  writeFileSync(garbage, 'no draft')
  for (const path of [garbage, folder, '/dev/zero']) {
    expect(await failed('root', 'show', path)).toMatchObject({
      exit: 6,
      code: 'bytes-malformed',
      message: expect.stringContaining(`${path} holds no draft of root metadata`),
    })
  }
})

test('a rotated key takes the place of the old one under its name', async () => {
  const [before] = (await jsonOf(folder, ['root'])).roles.release.keys
  const { stdout, code } = await runHypha(folder, ['key', 'rotate', 'release'])
  expect([code, stdout]).toEqual([
    0,
    expect.stringContaining(`kept in ${join(folder, 'keys', `release-${before.id}.key`)}`),
  ])
  expect(stdout).toContain('no gateway runs')
  expect(stdout).toContain('hypha sign APP@NUMBER')
  expect(readdirSync(join(folder, 'keys'))).toContain('release.key')
})

test.each([
  ['a role that there is not', ['key', 'rotate', 'owner'], /no role "owner"/, /root, release, gateway/],
  [
    'a key that root metadata does not name',
    ['key', 'revoke', 'release', '0123456789abcdef'],
    /names no release key/,
    /hypha root show/,
  ],
  [
    'the last key of a role',
    ['key', 'revoke', 'gateway', 'keys/gateway.key'],
    /0 would be left/,
    /hypha key rotate gateway/,
  ],
  [
    'a key file of another role',
    ['key', 'add', 'release', 'keys/gateway.key'],
    /holds the gateway key/,
    /hypha key new release/,
  ],
  [
    'a key of the release role that signs',
    ['root', 'renew', '--key', 'keys/release.key'],
    /holds a release key/,
    /--key FILE/,
  ],
  [
    'two signatures for a directive',
    ['key', 'add', 'gateway', 'ab'.repeat(32), '--threshold', '2'],
    /gateway role/,
    /./,
  ],
  ['a draft that is not there', ['root', 'sign'], /no draft/, /hypha key rotate/],
  ['no days', ['root', 'renew', '--days', '0'], /--days/, /./],
])('%s is refused with what to do, and leaves nothing behind', async (_, args, message, mend) => {
  const here = args.map((arg) => (arg.startsWith('keys/') ? join(folder, arg) : arg))
  const before = await jsonOf(folder, ['root'])
  const error = await failed(...here)
  expect(error.message).toMatch(message)
  expect(error.mend).toMatch(mend)
  expect([2, 4]).toContain(error.exit)
  expect(await jsonOf(folder, ['root'])).toEqual(before)
  expect(existsSync(join(folder, 'root/next.root'))).toBe(false)
})
