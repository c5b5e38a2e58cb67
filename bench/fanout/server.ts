// A server in a process of its own, so that its CPU time is its own: the embedded broker as the gateway has it, its fan-out without TLS, or bare sockets.
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { createBroker } from '../../gateway/broker/aedes-broker.ts'
import { PublishFrame } from '../../gateway/broker/frame.ts'
import type { BrokerStore } from '../../gateway/store/ports/broker.ts'
import { openStore } from '../../gateway/store/store.ts'
import { type FromServer, fleet, monotonicMs, type Publish, type Serve, topic } from './messages.ts'
import { createPlainBroker } from './plain-broker.ts'

const tell = (message: FromServer) => process.send!(message)

type Send = (payload: Uint8Array, qos: 0 | 1) => Promise<void>

const createTlsBroker = (tls: NonNullable<Serve['tls']>, store: BrokerStore) =>
  createBroker(
    {
      fleet,
      host: '127.0.0.1',
      port: 0,
      tls,
      grantsOf: () => null,
      admits: () => true,
      onDenied: (denial) => console.error('denied', denial),
      onDropped: (client, count) => console.error('dropped', client, count),
      onError: (error) => {
        // What the cut makes.
        if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') console.error(error)
      },
    },
    store,
  )

async function serveHypha({ tls, folder }: Serve): Promise<Send> {
  const store = openStore(join(folder, 'hypha.db'), { fleet })
  const broker = tls ? await createTlsBroker(tls, store.broker) : await createPlainBroker(fleet, store.broker)
  const { port } = await broker.listen()
  tell({ port })
  return (payload, qos) => broker.publish(topic, payload, { qos })
}

async function serveRaw({ tls }: Serve): Promise<Send> {
  const sockets = new Set<Socket>()
  const add = (socket: Socket) => {
    sockets.add(socket)
    socket.on('data', () => undefined)
    socket.on('error', () => sockets.delete(socket))
  }
  const server = tls
    ? createTlsServer(
        {
          key: tls.key,
          cert: tls.certificate,
          ca: tls.ca,
          requestCert: true,
          minVersion: 'TLSv1.3',
          noDelay: true,
          keepAlive: true,
        },
        add,
      )
    : createServer({ noDelay: true, keepAlive: true }, add)
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, resolve))
  tell({ port: (server.address() as AddressInfo).port })
  return async (payload, qos) => {
    const frame = new PublishFrame(topic, payload)
    const bytes = qos === 0 ? frame.plain(4) : frame.numbered(4, 1)
    for (const socket of sockets) socket.write(bytes)
  }
}

/** Resolves when this process has done nothing for a while. */
async function quiet(): Promise<void> {
  for (let idle = 0; idle < 3; ) {
    const before = process.cpuUsage()
    await pause(50)
    const { user, system } = process.cpuUsage(before)
    idle = user + system < 3_000 ? idle + 1 : 0
  }
}

let send: Send | null = null
process.on('message', async (message: Serve | Publish) => {
  if ('kind' in message) {
    send = await (message.kind === 'hypha' ? serveHypha : serveRaw)(message)
    return
  }
  const { number, qos, bytes } = message
  const payload = Buffer.alloc(bytes, 0xa5)
  payload.writeUInt32BE(number)
  await quiet()
  const begunMs = monotonicMs()
  const before = process.cpuUsage()
  await send!(payload, qos)
  await quiet()
  const { user, system } = process.cpuUsage(before)
  tell({ number, begunMs, cpuUs: user + system })
})
process.on('disconnect', () => process.exit())
