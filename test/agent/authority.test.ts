import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { type AskedGateway, believes, renewByRoot } from '@hypha/core/platform/authority.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { trustFirstRoot } from '@hypha/core/trust/rules.ts'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { Renewed } from '../../agent/renewal.ts'
import { Verifier } from '../../agent/verify/verifier.ts'
import { type Authority, createAuthority } from '../../gateway/enrol/ca.ts'
import { keys, makeRoot, signRoot, startMs } from '../support/signed.ts'

// Whom a node believes when its gateway's CA was replaced. The rules of root metadata are the real ones; the network is not.

let [joinedBy, next, strange] = [] as unknown as [Authority, Authority, Authority]
let verifier: Verifier
let problems: string[]

const digestOf = ({ fingerprint }: Authority) => Uint8Array.from(Buffer.from(fingerprint, 'hex'))
const naming = (version: number, authorities: Authority[] | null) =>
  makeRoot({ version, authorities: authorities?.map(digestOf) ?? null })
const first = signRoot(makeRoot())

beforeAll(async () => {
  ;[joinedBy, next, strange] = [
    await createAuthority('garden'),
    await createAuthority('garden'),
    await createAuthority('garden'),
  ]
})
beforeEach(() => {
  const pinned = { digest: nodeCrypto.sha256(first), fleet: 'garden', node: 'pi-1' }
  verifier = new Verifier({
    snapshot: trustFirstRoot(first, pinned, nodeCrypto),
    crypto: nodeCrypto,
    nowMs: () => startMs,
  })
  problems = []
})

const mismatch = () => new HyphaError('join-ca-mismatch', 'Another one')

/** Who answers: holds the key of one authority, may show the certificates of others, and gives a chain. */
function gatewayOf(holds: Authority, chain: readonly Uint8Array[], shows: readonly Authority[] = [holds]) {
  const asked: string[] = []
  const gateway: AskedGateway<Renewed> = {
    async renew(ca) {
      if (ca !== holds.certificate) throw mismatch()
      asked.push('renew')
      return { certificate: 'renewed', ca, brokerHost: 'h', brokerPort: 1 }
    },
    async rootChain() {
      asked.push('chain')
      return chain
    },
    async authority(digests) {
      const shown = shows.find(({ fingerprint }) => digests.includes(fingerprint))
      if (shown === undefined) throw mismatch()
      return shown.certificate
    },
  }
  return { gateway, asked }
}

const renew = (gateway: AskedGateway<Renewed>) =>
  renewByRoot(
    { ca: joinedBy.certificate },
    {
      root: () => verifier.root,
      follow: async (chain) => void verifier.followRoot(chain),
      onProblem: ({ code }) => problems.push(code),
    },
    gateway,
  )

test('Where the CA vouches for who answers, nothing else is asked', async () => {
  const { gateway, asked } = gatewayOf(joinedBy, [])
  expect(await renew(gateway)).toMatchObject({ ca: joinedBy.certificate })
  expect(asked).toEqual(['renew'])
})

test('Another CA is believed once root metadata that the root key has signed names it, over several versions', async () => {
  const chain = [first, signRoot(naming(2, [strange])), signRoot(naming(3, [next]))]
  const { gateway, asked } = gatewayOf(next, chain)
  expect(await renew(gateway)).toMatchObject({ ca: next.certificate })
  expect(asked).toEqual(['chain', 'renew'])
  expect(verifier.root.version).toBe(3)
  expect([joinedBy, next, strange].map(({ certificate }) => believes(verifier.root, certificate))).toEqual([
    false,
    true,
    false,
  ])
})

test.each<[string, () => readonly Uint8Array[]]>([
  ['no chain at all', () => []],
  ['only what is held already', () => [first]],
  ['newer root metadata that names no authority', () => [first, signRoot(naming(2, null))]],
  ['root metadata that names another one', () => [first, signRoot(naming(2, [next]))]],
  ['root metadata that the gateway key has signed', () => [first, signRoot(naming(2, [strange]), [keys.gateway])]],
  ['bytes', () => [Uint8Array.of(1, 2, 3)]],
])('A stranger with %s is refused as another gateway', async (_what, chain) => {
  const { gateway, asked } = gatewayOf(strange, chain())
  await expect(renew(gateway)).rejects.toMatchObject({ code: 'join-ca-mismatch' })
  expect(asked).not.toContain('renew')
})

test('Who shows the certificate that root names, and hasn’t its key, is refused', async () => {
  const chain = [first, signRoot(naming(2, [next]))]
  const { gateway, asked } = gatewayOf(strange, chain, [strange, next])
  await expect(renew(gateway)).rejects.toMatchObject({ code: 'join-ca-mismatch' })
  expect(asked).toEqual(['chain'])
})

test('Once root names another, who holds the one of before is not even asked for a certificate', async () => {
  verifier.followRoot([first, signRoot(naming(2, [next]))])
  const { gateway, asked } = gatewayOf(joinedBy, [first])
  await expect(renew(gateway)).rejects.toMatchObject({ code: 'join-ca-mismatch' })
  expect(asked).toEqual(['chain'])
  expect(problems).toEqual(['root-version'])
})

test('A gateway that gives no chain is believed by what the node has followed before', async () => {
  verifier.followRoot([first, signRoot(naming(2, [next]))])
  const { gateway } = gatewayOf(next, [Uint8Array.of(0)])
  expect(await renew(gateway)).toMatchObject({ ca: next.certificate })
  expect(problems).toHaveLength(1)
})

test('A gateway that is not reached is told as that', async () => {
  const { gateway } = gatewayOf(joinedBy, [])
  const cut = { ...gateway, renew: () => Promise.reject(new HyphaError('join-unreachable', 'No answer')) }
  await expect(renew(cut)).rejects.toMatchObject({ code: 'join-unreachable' })
})

test('Root metadata with no authority, or with one twice, is refused', () => {
  const refused = (authorities: readonly Authority[]) => () => signRootAndFollow(naming(2, [...authorities]))
  expect(refused([])).toThrow(expect.objectContaining({ code: 'root-unusable' }))
  expect(refused([next, next])).toThrow(expect.objectContaining({ code: 'root-unusable' }))
  expect(toHex(digestOf(next))).toBe(next.fingerprint)
})

const signRootAndFollow = (root: ReturnType<typeof makeRoot>) => verifier.followRoot([first, signRoot(root)])
