import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadIdentity, saveIdentity } from '../../agent/home.ts'
import { eventually, Fleet } from '../support/fleet.ts'

// A certificate of which less than a third is left, as the node's folder says; and one that the gateway has replaced without the node hearing of it.

const dayMs = 86_400_000

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'greens' })
  await fleet.joinNode('pi-7')
})
afterAll(() => fleet.stop())

const fingerprint = async (): Promise<string> =>
  (await fleet.json<{ certificate: { fingerprint: string } }>(['node', 'pi-7'])).certificate.fingerprint

const untilOnline = () =>
  eventually('the node to be online', async () => {
    const { online } = await fleet.json<{ online: boolean }>(['node', 'pi-7'])
    return online || undefined
  })

test('A node renews what is left of less than a third, keeps it, and connects with it; an older one is renewed when it is refused.', async () => {
  const home = fleet.agentHome('pi-7')
  const joined = loadIdentity(home)
  const before = await fingerprint()
  // As if it had come a thousand days ago.
  saveIdentity(home, { ...joined, certifiedMs: Date.now() - 1_000 * dayMs })
  const agent = fleet.spawnAgent('pi-7')
  await agent.line(/the certificate is renewed/)
  await untilOnline()
  const renewed = loadIdentity(home)
  expect(renewed.certificate).not.toBe(joined.certificate)
  expect(await fingerprint()).not.toBe(before)
  await agent.end('SIGKILL')

  // As if the answer had been lost: the gateway asks for a certificate that the node doesn't have.
  saveIdentity(home, joined)
  const again = fleet.spawnAgent('pi-7')
  await again.line(/the certificate is renewed/)
  await again.line(/connected to/)
  expect(loadIdentity(home).certificate).not.toBe(joined.certificate)
})
