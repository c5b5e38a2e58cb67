import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Identity, loadIdentity, replaceIdentity, saveIdentity } from '../../agent/home.ts'
import { Renewal, type Renewed, renewalDue } from '../../agent/renewal.ts'
import { type Authority, createAuthority } from '../../gateway/enrol/ca.ts'
import { FakeClock } from '../support/fake-clock.ts'

const dayMs = 86_400_000
const seed = new Uint8Array(32).fill(7)

let home: string
let clock: FakeClock
let authority: Authority
let renewal: Renewal
/** Whether root metadata names the CA. */
let listed: (ca: string) => boolean

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hypha-renewal-'))
  clock = new FakeClock()
  listed = () => true
  authority = await createAuthority('greens', () => clock.now())
})
afterEach(() => {
  renewal?.stop()
  rmSync(home, { recursive: true })
})

const issue = async (days: number, key = seed): Promise<string> =>
  (await authority.issueNode({ id: 'pi-7', publicKey: nodeCrypto.publicKey(key), days })).certificate

async function joined(days: number, certifiedMs: number | null = clock.now()): Promise<Identity> {
  const identity: Identity = {
    fleet: 'greens',
    node: 'pi-7',
    tier: 'device',
    seed,
    boxSecret: seed,
    certificate: await issue(days),
    ca: authority.certificate,
    root: new Uint8Array(1),
    brokerHost: '127.0.0.1',
    brokerPort: 8_883,
    gatewayHost: '127.0.0.1',
    gatewayPort: 8_443,
    certifiedMs,
  }
  saveIdentity(home, identity)
  return identity
}

/** A node with that identity; `ask` is the gateway. */
function start(identity: Identity, ask: () => Promise<Renewed>) {
  const used: (Omit<Renewed, 'ca'> & { ca: string | null })[] = []
  const problems: HyphaError[] = []
  renewal = new Renewal(identity, {
    clock,
    now: () => clock.now(),
    ask,
    outdated: ({ ca }) => !listed(ca),
    keep: (renewed) => replaceIdentity(home, renewed),
    use: (renewed) => used.push(renewed),
    note: () => undefined,
    onProblem: (error) => problems.push(error),
  })
  renewal.start()
  return { used, problems }
}

/** The daily look, and what follows from it. */
async function pass(ms: number): Promise<void> {
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  clock.advance(ms)
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
}

test('A certificate is renewed when less than a third of its life is left, kept, and used.', async () => {
  const first = await joined(90)
  const ask = vi.fn(async () => ({
    certificate: await issue(90),
    ca: authority.certificate,
    brokerHost: 'moved',
    brokerPort: 9_883,
  }))
  const { used } = start(first, ask)
  for (let day = 1; day <= 60; day++) await pass(dayMs)
  expect(ask).not.toHaveBeenCalled()
  await pass(dayMs)
  expect(ask).toHaveBeenCalledOnce()
  expect(used).toMatchObject([{ brokerHost: 'moved', brokerPort: 9_883 }])
  const kept = loadIdentity(home)
  expect(kept).toMatchObject({ node: 'pi-7', gatewayPort: 8_443, ...used[0], certifiedMs: clock.now() })
  expect(toHex(kept.seed)).toBe(toHex(seed))
  expect(kept.certificate).not.toBe(first.certificate)
  expect(statSync(join(home, 'identity')).mode & 0o777).toBe(0o600)
  for (let day = 1; day <= 60; day++) await pass(dayMs)
  expect(ask).toHaveBeenCalledOnce()
})

test('A node whose certificate has ended renews it as it starts; one that does not know how old it is, a third of a year before the end.', async () => {
  const identity = await joined(90)
  clock.jump(91 * dayMs)
  const { used } = start(identity, async () => ({
    certificate: await issue(90),
    ca: authority.certificate,
    brokerHost: '127.0.0.1',
    brokerPort: 8_883,
  }))
  await vi.waitFor(() => expect(used).toHaveLength(1))
  const unknown = await joined(365, null)
  expect(renewalDue(unknown, clock.now() + 243 * dayMs)).toBe(false)
  expect(renewalDue(unknown, clock.now() + 244 * dayMs)).toBe(true)
})

test('A gateway that can not be reached is asked again after ten minutes, and what works is kept until then.', async () => {
  const identity = await joined(90)
  clock.jump(89 * dayMs)
  const answers = [
    () => Promise.reject(new HyphaError('join-unreachable', 'No answer')),
    // For another key: with it the node could not connect any more.
    async () => await issue(90, new Uint8Array(32).fill(8)),
    async () => await issue(90),
  ]
  const { used, problems } = start(identity, async () => ({
    certificate: await answers.shift()!(),
    ca: authority.certificate,
    brokerHost: '127.0.0.1',
    brokerPort: 8_883,
  }))
  await vi.waitFor(() => expect(problems.map(({ code }) => code)).toEqual(['join-unreachable']))
  await pass(600_000)
  expect(problems.map(({ code }) => code)).toEqual(['join-unreachable', 'join-ca-mismatch'])
  expect(loadIdentity(home).certificate).toBe(identity.certificate)
  await pass(600_000)
  expect(used).toHaveLength(1)
  expect(loadIdentity(home).certificate).toBe(used[0]!.certificate)
})

test('A refusal by the broker is a reason to ask, once until the next look: the last certificate may not have arrived.', async () => {
  const ask = vi.fn(async (): Promise<Renewed> => {
    throw new HyphaError('join-proof-invalid', 'The node was removed')
  })
  start(await joined(90), ask)
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  renewal.refused()
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  renewal.refused()
  renewal.refused()
  expect(ask).toHaveBeenCalledOnce()
  await pass(600_000)
  renewal.refused()
  expect(ask).toHaveBeenCalledTimes(2)
})

test('When root metadata names the CA no more, a certificate of another is asked for at once; until it comes nobody is believed.', async () => {
  const identity = await joined(90)
  const other = await createAuthority('greens', () => clock.now())
  const answers = [
    () => Promise.reject(new HyphaError('join-ca-mismatch', 'The gateway has it not yet')),
    () => Promise.reject(new HyphaError('join-unreachable', 'It restarts')),
    async () => (await other.issueNode({ id: 'pi-7', publicKey: nodeCrypto.publicKey(seed), days: 90 })).certificate,
  ]
  const { used, problems } = start(identity, async () => ({
    certificate: await answers.shift()!(),
    ca: other.certificate,
    brokerHost: '127.0.0.1',
    brokerPort: 8_883,
  }))
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  renewal.rootChanged()
  expect(answers).toHaveLength(3)
  listed = (ca) => ca === other.certificate
  renewal.rootChanged()
  await vi.waitFor(() => expect(used).toMatchObject([{ ca: null, certificate: identity.certificate }]))
  // Sooner than where a node can still connect.
  await pass(2_000)
  await pass(4_000)
  expect(problems.map(({ code }) => code)).toEqual(['join-ca-mismatch', 'join-unreachable'])
  expect(used.map(({ ca }) => ca)).toEqual([null, other.certificate])
  expect(loadIdentity(home)).toMatchObject({ ca: other.certificate, certificate: used[1]!.certificate })
})

test('A node that finds another authority than its own asks again by itself: nobody else would.', async () => {
  const ask = vi.fn(async (): Promise<Renewed> => {
    throw new HyphaError('join-ca-mismatch', 'Somebody else answers')
  })
  start(await joined(90), ask)
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  renewal.refused(true)
  await vi.waitFor(() => expect(ask).toHaveBeenCalledOnce())
  await pass(2_000)
  await pass(4_000)
  expect(ask).toHaveBeenCalledTimes(3)
  renewal.refused()
  expect(ask).toHaveBeenCalledTimes(4)
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  // Another time that somebody else is found there, whatever was asked today.
  renewal.refused(true)
  expect(ask).toHaveBeenCalledTimes(5)
})

test('A link that finds another authority before the node has begun to look costs no retry.', async () => {
  const ask = vi.fn(async (): Promise<Renewed> => {
    throw new HyphaError('join-ca-mismatch', 'Somebody else answers')
  })
  const identity = await joined(90)
  start(identity, ask)
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  renewal.refused(true)
  await vi.waitFor(() => expect(ask).toHaveBeenCalledOnce())
  await vi.waitFor(() => expect(clock.waiting).toBe(1))
  renewal.start()
  await vi.waitFor(() => expect(ask).toHaveBeenCalledTimes(2))
  await pass(4_000)
  expect(ask).toHaveBeenCalledTimes(3)
})
