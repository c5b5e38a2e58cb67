import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { InstallView } from '../../gateway/admin/api/schemas/install.ts'
import { Fleet } from '../support/fleet.ts'
import { ask, Stranger } from './support.ts'

// The installer in a folder of one's own, against what can go wrong on the way: no root, no clean system, only what it does with what it is given.

let fleet: Fleet
let offer: InstallView
let prefix: string
let url: string
let count = 0

beforeAll(async () => {
  fleet = await Fleet.start()
  const { install } = await fleet.json<{ install: string }>(['invite', 'first'])
  expect(install).toContain('sha256sum -c -')
  offer = await ask<InstallView>(fleet, '/v1/install')
  writeFileSync(join(fleet.folder, 'install.sh'), readFileSync(stored(offer.script.digest)))
})
afterAll(() => fleet.stop())
beforeEach(async () => {
  prefix = join(fleet.folder, `device-${++count}`)
  ;({ url } = await fleet.json<{ url: string }>(['invite', `device-${count}`, '--url-only']))
})

const stored = (digest: string) => join(fleet.folder, 'hypha/gateway/install', digest)
const runtime = () => offer.runtimes.find(({ arch }) => arch === process.arch)!

/** Runs the installer to its end. `fakes`: programs that stand in for the system's. */
async function install(args: readonly string[], fakes: Readonly<Record<string, string>> = {}) {
  const folder = join(fleet.folder, 'fakes')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const [name, text] of Object.entries(fakes)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  const script = join(fleet.folder, 'install.sh')
  const run = new Stranger('env', [`PATH=${folder}:${process.env.PATH}`, 'sh', script, '--prefix', prefix, ...args])
  return { code: await run.ended, text: run.out + run.err }
}

/** One byte of a file that the gateway gives out is another, until the returned function is called. */
function tamper(digest: string): () => void {
  const right = readFileSync(stored(digest))
  const wrong = Buffer.from(right)
  wrong[wrong.length >> 1]! ^= 1
  writeFileSync(stored(digest), wrong)
  return () => writeFileSync(stored(digest), right)
}

test('It installs, joins, and says how to start what then connects; run again, it keeps who the device is and mends the rest', async () => {
  const first = await install([url])
  expect(first.text).toContain('the device has joined')
  expect(first.code).toBe(0)
  expect(existsSync(join(prefix, 'download'))).toBe(false)
  const identity = readFileSync(join(prefix, 'home/identity'))

  const [, start] = /start it with: (.*)$/m.exec(first.text)!
  const agent = new Stranger('sh', ['-c', `exec ${start}`])
  try {
    await agent.errLine(/connected/)
  } finally {
    agent.child.kill('SIGTERM')
    expect(await agent.ended).toBe(0)
  }

  const slot = join(prefix, 'home/agent/slots', offer.agent.digest)
  writeFileSync(join(slot, 'main.js'), 'damaged')
  rmSync(join(prefix, 'bin/hypha-agent-start'))
  writeFileSync(join(prefix, 'home/agent.toml'), '# mine\n')
  const again = await install([url])
  expect([again.code, again.text]).toEqual([0, expect.stringContaining('has joined before and keeps its identity')])
  expect(again.text).not.toContain('fetching Node')
  expect(readFileSync(join(prefix, 'home/identity')).equals(identity)).toBe(true)
  expect(readFileSync(join(prefix, 'home/agent.toml'), 'utf8')).toBe('# mine\n')
  expect(readFileSync(join(slot, 'main.js'), 'utf8')).not.toBe('damaged')
  expect(existsSync(join(prefix, 'bin/hypha-agent-start'))).toBe(true)
})

test('A script that was changed is not run', async () => {
  const line = (await fleet.json<{ install: string }>(['invite', 'changed-script'])).install
  const mend = tamper(offer.script.digest)
  try {
    const run = new Stranger('sh', ['-c', line])
    expect(await run.ended).not.toBe(0)
    expect(run.out).toContain('hypha.sh: FAILED')
    expect(run.out).not.toContain('hypha: ')
  } finally {
    mend()
  }
})

test.each([
  ['runtime', () => runtime().file.digest],
  ['bundle', () => offer.agent.digest],
])('A %s that was changed is deleted, and nothing of it is run', async (_what, digest) => {
  const mend = tamper(digest())
  const refused = await install([url])
  mend()
  expect(refused.code).toBe(1)
  expect(refused.text).toContain('is not what this installer pins; it is deleted')
  expect(readdirSync(join(prefix, 'download'))).not.toContain(digest())
  expect(existsSync(join(prefix, 'home/identity'))).toBe(false)
  expect(existsSync(join(prefix, 'home/agent/current'))).toBe(false)
  expect((await install([url])).code).toBe(0)
})

test('A download that was cut off goes on where it ended when the installer is run again', async () => {
  const { digest, bytes } = runtime().file
  const right = readFileSync(stored(digest))
  truncateSync(stored(digest), 30_000_000)
  const cut = await install([url])
  writeFileSync(stored(digest), right)
  expect([cut.code, cut.text]).toEqual([1, expect.stringContaining('goes on from what has arrived')])
  const part = readFileSync(join(prefix, 'download', digest))
  expect(part.length).toBeGreaterThan(0)
  expect(part.length).toBeLessThan(bytes)
  expect(existsSync(join(prefix, 'runtime/current'))).toBe(false)

  // Nothing of what is there already is asked for again: were it sent, it would be found changed.
  writeFileSync(stored(digest), Buffer.concat([Buffer.alloc(part.length), right.subarray(part.length)]))
  const whole = await install([url])
  writeFileSync(stored(digest), right)
  expect([whole.code, whole.text]).toEqual([0, expect.stringContaining('the device has joined')])
})

test.each([
  ['of another architecture', { uname: '[ "$1" = -s ] && echo Linux || echo riscv64' }, 'no Node runtime for riscv64'],
  ['with a 32-bit system on a 64-bit kernel', { getconf: 'echo 32' }, '-32bit; it has:'],
  ['with a full disk', { df: 'echo head; echo fs 1 1 1024 1% /' }, 'has 1 MB free, this needs'],
  ['that is no Linux', { uname: 'echo Darwin' }, 'this is Darwin'],
])('On a machine %s it says so before it changes anything', async (_what, fakes, said) => {
  const refused = await install([url], fakes)
  expect([refused.code, refused.text]).toEqual([1, expect.stringContaining(said)])
  expect(existsSync(prefix)).toBe(false)
})

test('Where Node does not run, it says what the system lacks, and puts nothing in place', async () => {
  // A system without its C++ library, as far as the installer can see: the program that it unpacked doesn't start.
  const refused = await install([url], { chmod: 'case $2 in *node) exit 0;; esac; exec /bin/chmod "$@"' })
  expect([refused.code, refused.text]).toEqual([1, expect.stringContaining('It needs glibc 2.28')])
  expect(existsSync(join(prefix, 'runtime/current'))).toBe(false)
})

test('A join URL that is used up leaves the program in place for the next', async () => {
  expect((await install([url])).code).toBe(0)
  prefix = `${prefix}-other`
  const refused = await install([url])
  expect([refused.code, refused.text]).toEqual([1, expect.stringContaining('but the device could not join')])
  const { url: fresh } = await fleet.json<{ url: string }>(['invite', 'second-try', '--url-only'])
  const mended = await install([fresh])
  expect([mended.code, mended.text]).toEqual([0, expect.not.stringContaining('fetching Node')])
})

test('Uninstalled, the program is gone and the identity stays; purged, nothing stays', async () => {
  await install([url])
  const removed = new Stranger(join(prefix, 'bin/hypha-agent-uninstall'), [])
  expect(await removed.ended).toBe(0)
  expect(readdirSync(prefix)).toEqual(['home'])
  expect(existsSync(join(prefix, 'home/identity'))).toBe(true)
  // Installed again, it is who it was.
  expect((await install([])).text).toContain('keeps its identity')
  const purged = new Stranger(join(prefix, 'bin/hypha-agent-uninstall'), ['--purge'])
  expect(await purged.ended).toBe(0)
  expect(existsSync(prefix)).toBe(false)
})
