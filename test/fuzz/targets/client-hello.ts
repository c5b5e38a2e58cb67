import { type AddressInfo, createServer } from 'node:net'
import { connect } from 'node:tls'
import { firstRecordBytes, ticketNameOf } from '../../../gateway/broker/client-hello.ts'
import { insist, type Target } from '../target.ts'

/** What Node's TLS sends first. */
function clientHello(): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (bytes) => {
        socket.destroy()
        server.close()
        resolve(new Uint8Array(bytes))
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      connect({ host: '127.0.0.1', port, servername: 'localhost' }).on('error', () => undefined)
    })
  })
}

export const clientHelloTarget: Target = {
  name: 'client-hello',
  about: 'the first bytes of a stranger at the TLS port',
  maxBytes: 4_096,
  short: 10_000,
  async prepare() {
    const hello = await clientHello()
    // With an offer to resume: an extension of 41 at the end, its lengths made to fit.
    const offer = Uint8Array.from([0, 41, 0, 60, 0, 38, 0, 32, ...new Uint8Array(52).fill(7)])
    const resuming = Uint8Array.from([...hello, ...offer])
    const view = new DataView(resuming.buffer)
    view.setUint16(3, resuming.length - 5)
    return {
      seeds: [hello, resuming],
      run(input) {
        // Nobody asks before there are the five bytes of a record's header.
        if (input.length < 5) return 'too short'
        const size = firstRecordBytes(input)
        insist(size === null || size <= 16_389, 'more is waited for than a record has')
        return `${size === null} ${ticketNameOf(input) === null}`
      },
    }
  },
}
