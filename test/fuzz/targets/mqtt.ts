import { connect, type TLSSocket } from 'node:tls'
import Database from 'better-sqlite3'
import { createBroker } from '../../../gateway/broker/aedes-broker.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { broadcastMigration, brokerMigration, SqliteBrokerStore } from '../../../gateway/store/broker-store.ts'
import { type Credentials, nodeCredentials } from '../../gateway/broker/support.ts'
import { insist, type Prepared, type Target } from '../target.ts'

const text = (value: string) => [value.length >> 8, value.length & 0xff, ...Buffer.from(value)]
const packet = (type: number, ...body: number[]) => {
  const size = body.length < 128 ? [body.length] : [0x80 | (body.length & 0x7f), body.length >> 7]
  return Uint8Array.from([type, ...size, ...body])
}

const connectAs = (id: string) => packet(0x10, ...text('MQTT'), 4, 2, 0, 60, ...text(id))
const after = (...packets: Uint8Array[]) =>
  Uint8Array.from([connectAs('pi-7'), ...packets].flatMap((each) => [...each]))

// What it may say is under test, not how often.
const endless = { perSecond: 1e9, burst: 1e9 }

const seeds = [
  after(packet(0x82, 0, 1, ...text('hypha/greens/n/pi-7/down/#'), 1)),
  after(packet(0x32, ...text('hypha/greens/n/pi-7/up/report'), 0, 2, 1, 2, 3), packet(0xc0)),
  after(packet(0x31, ...text('hypha/greens/n/pi-7/state'), 1, 2), packet(0xe0)),
  after(packet(0x34, ...text('hypha/greens/n/pi-7/up/want'), 0, 9), packet(0x62, 0, 9)),
  after(packet(0xa2, 0, 3, ...text('hypha/greens/b/root')), packet(0x40, 0, 1), packet(0x50, 0, 1), packet(0x70, 0, 1)),
  packet(0x10, ...text('MQTT'), 5, 2, 0, 60, 5, 0x11, 0, 0, 0, 9, ...text('pi-7')),
  packet(0x10, ...text('MQTT'), 4, 0x36, 0, 60, ...text('pi-7'), ...text('hypha/greens/n/pi-7/presence'), ...text('x')),
]

/** A client of the broker that says what it says. */
function speak(port: number, { ca, cert, key }: Credentials): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca, cert, key, servername: 'localhost' })
  socket.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket))
    socket.once('close', () => reject(new Error('the broker takes no connection any more')))
  })
}

/** Another client, connected all the time: it must go on hearing PINGRESP. */
async function witness(port: number, credentials: Credentials) {
  const socket = await speak(port, credentials)
  let pongs = 0
  let waiting: (() => void) | null = null
  let closed = false
  socket.on('data', (bytes) => {
    if (!bytes.includes(0xd0)) return
    pongs++
    waiting?.()
  })
  socket.once('close', () => {
    closed = true
    waiting?.()
  })
  socket.write(connectAs(credentials.id))
  return {
    async ping(): Promise<void> {
      insist(!closed, 'another client has lost its connection')
      const before = pongs
      const heard = new Promise<void>((resolve) => {
        waiting = resolve
      })
      socket.write(packet(0xc0))
      await heard
      insist(pongs > before, 'another client is not answered any more')
    },
    close: () => void socket.destroy(),
  }
}

export const mqttTarget: Target = {
  name: 'mqtt',
  about: "a node's bytes at the broker's TLS port: another client notices nothing",
  maxBytes: 4_096,
  short: 60,
  async prepare(): Promise<Prepared> {
    const authority = await createAuthority('greens')
    const db = new Database(':memory:')
    db.exec(brokerMigration + broadcastMigration)
    const served = await authority.issueServer({ names: ['localhost', '127.0.0.1'] })
    const broker = await createBroker(
      {
        fleet: 'greens',
        host: '127.0.0.1',
        port: 0,
        tls: { key: served.key, certificate: served.certificate, ca: authority.certificate },
        grantsOf: () => null,
        admits: () => true,
        onDenied: () => undefined,
        onDropped: () => undefined,
        onError: () => undefined,
        limits: { connectRatePerClient: endless, connectionRatePerAddress: endless },
      },
      new SqliteBrokerStore(db, 'greens'),
    )
    const { port } = await broker.listen()
    const hostile = await nodeCredentials(authority, 'pi-7')
    const other = await witness(port, await nodeCredentials(authority, 'pi-8'))
    return {
      seeds,
      async run(input) {
        const socket = await speak(port, hostile)
        let answered = ''
        socket.on('data', (bytes: Buffer) => {
          answered += bytes.toString('hex')
        })
        const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
        // Every other client hangs up at once: who asks about it afterwards must not be surprised.
        if (input.length % 2 === 0) socket.end(input)
        else socket.write(input)
        await other.ping()
        await other.ping()
        socket.destroy()
        await ended
        return `answered ${answered.slice(0, 24)}`
      },
      async close() {
        other.close()
        await broker.close()
        db.close()
      },
    }
  },
}
