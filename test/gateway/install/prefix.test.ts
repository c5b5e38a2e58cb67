import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { makeScript } from '../../../gateway/install/script.ts'
import { writeTar } from '../../../src/bytes/tar.ts'
import { toUtf8 } from '../../../src/bytes/text.ts'

// The installer in a folder that has other things in it, and against a server that sends without an end. A shell script stands in for Node, so that all of it takes a moment.

const url = `hypha://127.0.0.1:1/f/n?token=${'t'.repeat(43)}&ca=${'0'.repeat(64)}&root=${'0'.repeat(64)}`
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const stored = (bytes: Uint8Array) => ({ digest: sha256(bytes), bytes: bytes.length })

// "join" leaves an identity behind, as the agent does.
const node = Buffer.from('#!/bin/sh\n[ "$2" != join ] || echo me >"$HYPHA_AGENT_HOME/identity"\n')
const packed = gzipSync(node)
const agent = writeTar([{ name: 'main.js', bytes: toUtf8('// the agent') }])
const files = new Map([packed, Buffer.from(agent)].map((bytes) => [sha256(bytes), bytes]))

let folder: string
let server: Server
let endless = false
let count = 0
let prefix: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-prefix-'))
  const { key, certificate } = await (await createAuthority('f')).issueServer({ names: ['127.0.0.1'] })
  server = createServer({ key, cert: certificate }, (request, response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      response.once('drain', more)
    }
    if (endless) more()
    else response.end(files.get(request.url!.split('/').at(-1)!))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const runtime = { arch: process.arch as 'x64', version: '24.0.0', file: stored(packed), node: stored(node) }
  const gateway = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  writeFileSync(join(folder, 'install.sh'), makeScript({ gateway, agent: stored(agent), runtimes: [runtime] }))
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  endless = false
  prefix = join(folder, `device-${++count}`)
})

function run(program: string, args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(program, args)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, text })))
}
const install = (...args: string[]) => run('sh', [join(folder, 'install.sh'), '--prefix', prefix, ...args])

test('Installing and uninstalling leave alone what else lies in the folder, as in ~/.local', async () => {
  const others = ['bin/mine', 'runtime/mine/file', 'download/mine', 'home/mine', 'share/mine']
  for (const name of others) {
    mkdirSync(join(prefix, name, '..'), { recursive: true })
    writeFileSync(join(prefix, name), name)
  }
  expect(await install(url)).toMatchObject({ code: 0 })
  expect(readdirSync(join(prefix, 'home')).sort()).toEqual(['agent', 'identity', 'mine'])
  expect(readdirSync(join(prefix, 'download'))).toEqual(['mine'])
  expect(await run(join(prefix, 'bin/hypha-agent-uninstall'), [])).toMatchObject({ code: 0 })
  for (const name of others) expect(readFileSync(join(prefix, name), 'utf8')).toBe(name)
  expect(readdirSync(join(prefix, 'bin'))).toEqual(['mine'])
  expect(readdirSync(join(prefix, 'runtime'))).toEqual(['mine'])
})

test('Uninstalling purges no folder in which no agent ever lay', async () => {
  mkdirSync(join(prefix, 'home'), { recursive: true })
  writeFileSync(join(prefix, 'home/mine'), 'mine')
  expect(await install('--uninstall', '--purge')).toMatchObject({ code: 0 })
  expect(existsSync(join(prefix, 'home/mine'))).toBe(true)
})

test('Nothing is left where there was nothing', async () => {
  expect(await install(url)).toMatchObject({ code: 0 })
  expect(await run(join(prefix, 'bin/hypha-agent-uninstall'), ['--purge'])).toMatchObject({ code: 0 })
  expect(existsSync(prefix)).toBe(false)
})

test.each(['', '/', "it's", 'a"b'])('"%s" is refused as a folder', async (given) => {
  const refused = await run('sh', [join(folder, 'install.sh'), '--prefix', given, '--uninstall', '--purge'])
  expect(refused).toMatchObject({ code: 1, text: expect.stringContaining("--prefix can't be") })
})

test('Who sends without an end fills no disk', async () => {
  endless = true
  expect((await install(url)).code).toBe(1)
  const partial = join(prefix, 'download', sha256(packed))
  expect(existsSync(partial) ? statSync(partial).size : 0).toBeLessThan(packed.length + 1_024)
  endless = false
  expect(await install(url)).toMatchObject({ code: 0 })
})
