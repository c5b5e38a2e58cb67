// A TLS server that does nothing: what a connection costs at least. Told { key, certificate, ca } it listens, says its port, and ends with its parent.
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'

process.once('message', ({ key, certificate, ca }: { key: string; certificate: string; ca: string }) => {
  const server = createServer(
    { key, cert: certificate, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', noDelay: true },
    (socket) => {
      socket.on('error', () => socket.destroy())
      socket.write('.')
      socket.resume()
    },
  )
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
})
process.on('disconnect', () => process.exit())
