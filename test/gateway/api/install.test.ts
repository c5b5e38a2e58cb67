import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { InstallFiles } from '../../../gateway/install/files.ts'
import type { Installables } from '../../../gateway/install/installables.ts'
import type { Where } from './calls.ts'
import { call } from './calls.ts'
import { onSocket, onTls, startGateway } from './gateway.ts'

// What devices install is open to anybody who reaches the port, by digest and by nothing else.

const content = randomBytes(300_000)
const digest = createHash('sha256').update(content).digest('hex')

let folder: string
let files: InstallFiles
let install: Installables
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-install-'))
  files = new InstallFiles(folder)
  await files.add(async (path) => writeFileSync(path, content))
  install = {
    current: async () => ({
      gateway: 'https://127.0.0.1:8443',
      script: { digest, bytes: content.length },
      agent: { digest, bytes: content.length, release: null },
      runtimes: [],
    }),
    find: async (name) => {
      const found = await files.find(name)
      return found && { ...found, path: files.path(name) }
    },
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Download {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly bytes: Buffer
  readonly whole: boolean
}

function download({ port, ca }: Where, path: string, range?: string, agent: Agent | false = false): Promise<Download> {
  return new Promise((resolve, reject) => {
    const headers = range === undefined ? {} : { range }
    const sent = request({ host: '127.0.0.1', port, ca, agent, path, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', () => undefined)
      response.on('close', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          bytes: Buffer.concat(parts),
          whole: response.complete,
        }),
      )
    })
    sent.on('error', reject)
    sent.end()
  })
}

const file = `/install/file/${digest}`

test('A file comes whole to a stranger without a token, with its length and as one that never changes', async () => {
  const where = await onTls(await startGateway(), { install })
  for (const path of [file, `/install/${digest}.sh`]) {
    const { status, headers, bytes } = await download(where, path)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-length': `${content.length}`,
      'accept-ranges': 'bytes',
      etag: `"${digest}"`,
    })
    expect(bytes.equals(content)).toBe(true)
  }
})

test.each([
  ['bytes=0-', 0, 299_999],
  ['bytes=299999-', 299_999, 299_999],
  ['bytes=1000-1999', 1_000, 1_999],
  ['bytes=1000-99999999', 1_000, 299_999],
])('Asked for %s, it goes on in the middle', async (range, start, last) => {
  const where = await onTls(await startGateway(), { install })
  const { status, headers, bytes } = await download(where, file, range)
  expect(status).toBe(206)
  expect(headers['content-range']).toBe(`bytes ${start}-${last}/300000`)
  expect(headers['content-length']).toBe(`${last - start + 1}`)
  expect(bytes.equals(content.subarray(start, last + 1))).toBe(true)
})

test('A range beyond its end is refused with its size; ranges of other forms are passed over', async () => {
  const where = await onTls(await startGateway(), { install })
  const beyond = await download(where, file, 'bytes=300000-')
  expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */300000'])
  for (const range of ['bytes=-5', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=9-3', `bytes=${'9'.repeat(40)}-`]) {
    const { status, bytes } = await download(where, file, range)
    expect([status, bytes.length]).toEqual([200, content.length])
  }
})

test('There is nothing but what is stored under a digest', async () => {
  const where = await onTls(await startGateway(), { install })
  const unknown = await call(where, 'GET', `/install/file/${'0'.repeat(64)}`)
  expect([unknown.status, unknown.json.code]).toEqual([404, 'not-found'])
  for (const path of ['/install/file/..%2f..%2fhypha.db', '/install/file/runtime-x64.json', '/install/latest.sh'])
    expect((await call(where, 'GET', path)).status).toBe(400)
  const none = await onTls(await startGateway())
  expect((await call(none, 'GET', file)).json.code).toBe('not-found')
})

test('What it names takes a role; on the socket anybody asks who may open it', async () => {
  const gateway = await startGateway()
  expect((await call(await onTls(gateway, { install }), 'GET', '/v1/install')).status).toBe(401)
  const answer = await call(await onSocket(gateway, { install }), 'GET', '/v1/install')
  expect(answer.json).toMatchObject({ gateway: 'https://127.0.0.1:8443', script: { digest } })
})

test('Whoever asks too often waits', async () => {
  const where = await onTls(await startGateway(), { install, downloadLimits: { requests: 3 }, monotonic: () => 0 })
  for (let asked = 0; asked < 3; asked++) expect((await download(where, file, 'bytes=0-9')).status).toBe(206)
  const refused = await call(where, 'GET', file)
  expect([refused.status, refused.json.code]).toEqual([429, 'install-busy'])
})

test('So many downloads run at once for one address, and a place that was left is free again', async () => {
  const where = await onTls(await startGateway(), { install, downloadLimits: { perAddress: 0 } })
  expect((await call(where, 'GET', file)).json.code).toBe('install-busy')
  const free = await onTls(await startGateway(), { install, downloadLimits: { perAddress: 1 } })
  for (let asked = 0; asked < 3; asked++) expect((await download(free, file)).status).toBe(200)
})

test('A download may take longer than a request has to arrive', async () => {
  const where = await onTls(await startGateway(), { install, transportLimits: { openRequestMs: 20 } })
  const received = await new Promise<number>((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: where.port, ca: where.ca, agent: false, path: file },
      (response) => {
        let count = 0
        response.pause()
        // Reads on when the time for the request is long over.
        setTimeout(() => response.resume(), 100)
        response.on('data', (part: Buffer) => {
          count += part.length
        })
        response.on('error', reject)
        response.on('end', () => resolve(count))
      },
    )
    sent.on('error', reject)
    sent.end()
  })
  expect(received).toBe(content.length)
})

test('A file that was cut short on the disk ends the connection: nobody waits for bytes that never come', async () => {
  const where = await onTls(await startGateway(), { install })
  expect((await download(where, file)).whole).toBe(true)
  truncateSync(files.path(digest), 1_000)
  // On a connection that is to stay open, its end is the only sign.
  const agent = new Agent({ keepAlive: true })
  const cut = await download(where, file, undefined, agent)
  agent.destroy()
  expect([cut.bytes.length, cut.whole]).toEqual([1_000, false])
})
