import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TlsState } from '../../../agent/link/connection.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { type Credentials, nodeCredentials, startBroker, type TestBroker } from '../../gateway/broker/support.ts'
import { openLink, startWire, untilOnline, type Wire } from './support.ts'

let broker: TestBroker
let wire: Wire
let node: Credentials
beforeEach(async () => {
  broker = await startBroker()
  wire = await startWire(broker.port)
  node = await nodeCredentials(broker.authority, 'pi-1')
})
afterEach(async () => {
  await wire.close()
  await broker.close()
})

test('waits grow to twice as long each time up to their bound, with jitter', async () => {
  wire.down = true
  const { link, waits } = openLink(wire.port, node, { timing: { firstBackoffMs: 100, maxBackoffMs: 900 } })
  await vi.waitFor(() => expect(waits.length).toBeGreaterThan(5), { timeout: 10_000 })
  await link.close()
  // With 0.5 for a random number: three quarters of the longest wait.
  expect(waits.slice(0, 6)).toEqual([75, 150, 300, 600, 675, 675])
})

test('the same failure is told once, and again after the link was up', async () => {
  wire.down = true
  const { link, waits, errors } = openLink(wire.port, node)
  await vi.waitFor(() => expect(waits.length).toBeGreaterThan(3), { timeout: 10_000 })
  expect(errors).toHaveLength(1)
  expect(errors[0]).toMatchObject({ code: 'link-offline' })
  wire.down = false
  await untilOnline(link)
  await link.close()
})

test('a node that was removed is refused, told so, and does not hurry to come back', async () => {
  broker.removed.add('pi-1')
  const { link, waits, errors } = openLink(wire.port, node)
  await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'link-refused' }]))
  await vi.waitFor(() => expect(waits).toEqual([45_000]))
  await link.close()
})

test('a broker of another authority is not spoken to', async () => {
  const other = await nodeCredentials(await createAuthority('greens'), 'pi-1')
  const { link, errors } = openLink(wire.port, other)
  await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'link-refused' }]))
  await link.close()
  expect(broker.heard).toEqual([])
})

test('no broker is spoken to where no authority is believed', async () => {
  const { link, errors } = openLink(wire.port, node, { ca: null })
  await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'link-refused' }]))
  await link.close()
  expect(broker.heard).toEqual([])
})

test('the TLS session of one connection is taken up by the next', async () => {
  const tls = new TlsState({ ca: node.ca, certificate: node.cert, key: node.key })
  const connect = async () => {
    const socket = tls.connect({ host: '127.0.0.1', port: broker.port })
    socket.resume()
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const reused = socket.isSessionReused()
    // Tickets come after the first handshake only.
    if (!reused) await new Promise((resolve) => socket.once('session', resolve))
    socket.destroy()
    return reused
  }
  expect([await connect(), await connect(), await connect()]).toEqual([false, true, true])
})
