import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { siteWord, type UpstreamWord, uplinkProtocol, upstreamWord } from '@hypha/core/wire/messages/uplink.ts'
import { expect, it, onTestFinished } from 'vitest'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { UpstreamLink } from '../../../gateway/uplink/upstream-link.ts'
import { eventually } from '../../support/fleet.ts'
import { t0 } from '../store/support.ts'
import { incarnation } from './support.ts'

// The site's end against an upstream that does what it shouldn't: the site's gateway goes on, and gives it no way to anything but its two listeners.

const frame = (payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(4)
  header.writeUInt32BE(payload.length)
  return Buffer.concat([header, payload])
}
const word = (said: UpstreamWord) => frame(upstreamWord.encode(said))
const welcome = (wants = false): UpstreamWord => ({ kind: 'welcome', site: 'north', upTo: 0, wants, certificate: null })

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** An upstream whose every connection is a test's, and a site that has joined it. */
async function start(
  serve: (socket: TLSSocket, first: string) => void,
  authority?: Awaited<ReturnType<typeof createAuthority>>,
) {
  const pinned = await createAuthority('company')
  const shown = authority ?? pinned
  const { certificate: cert, key } = await shown.issueServer({ names: ['127.0.0.1'] })
  const sockets = new Set<TLSSocket>()
  const server = createTlsServer(
    { cert, key, ca: pinned.certificate, requestCert: true, ALPNProtocols: [uplinkProtocol] },
    (socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.once('data', (bytes: Buffer) =>
        serve(socket, siteWord.decode(bytes.subarray(4, 4 + bytes.readUInt32BE(0))).kind),
      )
    },
  )
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  const port = await listening(server)
  const local: Record<'api' | 'broker', Socket[]> = { api: [], broker: [] }
  const ports = { api: 0, broker: 0 }
  for (const target of ['api', 'broker'] as const) {
    ports[target] = await listening(
      createServer((socket) => {
        local[target].push(socket)
        socket.on('error', () => socket.destroy())
      }),
    )
  }
  const seed = nodeCrypto.random(32)
  const { certificate } = await pinned.issueSite({ site: 'north', publicKey: nodeCrypto.publicKey(seed) })
  const problems: string[] = []
  const acks: number[] = []
  let invited = 0
  const upstream = {
    fleet: 'company',
    site: 'north',
    host: '127.0.0.1',
    port,
    ca: pinned.certificate,
    certificate,
    seed,
    joinedMs: t0,
    node: 'cloud',
    httpPort: null,
    root: null,
  }
  const link = new UpstreamLink(upstream, {
    forwarder: {
      hello: { incarnation, begin: 0 },
      welcome: () => true,
      ack: (upTo) => {
        acks.push(upTo)
        return false
      },
      offline: () => undefined,
    },
    local: ports,
    invite: async () => `hypha://invitation ${++invited}`,
    keep: () => undefined,
    follow: async (from) => from,
    changed: () => undefined,
    onProblem: ({ code, message }) => problems.push(`${code}: ${message}`),
    timing: { firstBackoffMs: 5, maxBackoffMs: 20, connectTimeoutMs: 5_000 },
  })
  onTestFinished(() => {
    link.close()
    for (const socket of sockets) socket.destroy()
    for (const socket of [...local.api, ...local.broker]) socket.destroy()
  })
  return { link, problems, acks, local, invited: () => invited }
}

it('Streams end at the site’s own listeners, so many and no more, and there is no word for any other place', async () => {
  let streams = 0
  const { link, local } = await start((socket, first) => {
    if (first === 'stream') {
      streams++
      return
    }
    socket.write(word(welcome()))
    for (let number = 0; number < 100; number++) {
      socket.write(
        word({ kind: 'open', stream: new Uint8Array(16).fill(number), target: number % 2 === 0 ? 'api' : 'broker' }),
      )
    }
  })
  await eventually('streams', async () =>
    streams === 32 && local.api.length === 16 && local.broker.length === 16 ? true : undefined,
  )
  expect(link.streams).toBe(32)
  const elsewhere = upstreamWord.encode({ kind: 'open', stream: new Uint8Array(16), target: 'broker' })
  // The target's index, which is the last byte.
  elsewhere[elsewhere.length - 1] = 2
  expect(() => upstreamWord.decode(elsewhere)).toThrow(/target/)
})

it.each([
  ['an acknowledgement of what was not sent', word({ kind: 'ack', upTo: 9 })],
  ['a frame beyond the cap', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ['bytes that are no word', frame(Uint8Array.of(0x82, 0x18, 0x40, 0xa0))],
])('After %s the site begins anew, and says why', async (_name, bytes) => {
  let connections = 0
  const { problems } = await start((socket) => {
    connections++
    socket.write(word(welcome()))
    socket.write(bytes)
  })
  await eventually('another connection', async () => (connections >= 2 ? true : undefined))
  expect(problems[0]).toMatch(/malformed|too-long/)
})

it('Whoever shows a certificate of another authority hears nothing of the site', async () => {
  let heard = 0
  const { problems } = await start(() => heard++, await createAuthority('company'))
  await eventually('the problem', async () => (problems.length > 0 ? true : undefined))
  expect(problems[0]).toMatch(/can't be reached/)
  expect(heard).toBe(0)
})

it('An upstream that asks for invitations again and again gets one for a time', async () => {
  const { invited } = await start((socket) => {
    socket.write(word(welcome(true)))
    for (let times = 0; times < 50; times++) socket.write(word({ kind: 'invite' }))
    socket.write(word({ kind: 'pong' }))
  })
  await eventually('an invitation', async () => (invited() > 0 ? true : undefined))
  expect(invited()).toBe(1)
})
