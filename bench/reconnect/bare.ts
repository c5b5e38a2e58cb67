import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect, createSecureContext } from 'node:tls'
import type { Authority } from '../../gateway/enrol/ca.ts'
import { cpuMs } from './cpu.ts'
import type { SimulatedNode } from './messages.ts'

/** CPU of a bare TLS server of Node for each connection with a client's certificate, in ms: with a full handshake, and resumed. */
export async function measureBareTls(
  authority: Pick<Authority, 'certificate' | 'issueServer'>,
  node: SimulatedNode,
  connections: number,
): Promise<{ full: number; resumed: number }> {
  const server = fork(join(import.meta.dirname, 'bare-server.ts'))
  try {
    const { key, certificate } = await authority.issueServer({ names: ['127.0.0.1'] })
    server.send({ key, certificate, ca: authority.certificate })
    const [{ port }] = (await once(server, 'message')) as [{ port: number }]
    const secureContext = createSecureContext({
      ca: authority.certificate,
      cert: node.certificate,
      key: node.key,
      minVersion: 'TLSv1.3',
    })
    const open = (session?: Buffer) =>
      new Promise<Buffer>((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, secureContext, ...(session ? { session } : {}) })
        // A resumed connection brings no new session. The tickets and the byte come in either order.
        let [latest, heard]: [Buffer | null, boolean] = [session ?? null, false]
        const step = () => {
          if (!heard || latest === null) return
          const resumed = socket.isSessionReused()
          socket.destroy()
          if (session !== undefined && !resumed) reject(new Error('The session was not resumed'))
          else resolve(latest)
        }
        socket.on('session', (given) => {
          latest = given
          step()
        })
        socket.once('error', reject)
        socket.once('data', () => {
          heard = true
          step()
        })
      })
    const cost = async (session?: Buffer) => {
      const before = cpuMs(server.pid!)
      for (let done = 0; done < connections; done++) await open(session)
      return (cpuMs(server.pid!) - before) / connections
    }
    const session = await open()
    // A hundred of each before: code that is warm, as a gateway's is soon.
    for (let done = 0; done < 100; done++) await open(done % 2 === 0 ? session : undefined)
    const full = await cost()
    return { full, resumed: await cost(session) }
  } finally {
    server.kill()
  }
}
