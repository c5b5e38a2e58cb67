import { X509Certificate } from 'node:crypto'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { boxKeysOf, makeBoxKeys } from '@hypha/core/trust/seal.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { ensureNodeFile, hasIdentity, type Identity, keysToJoin, loadIdentity, saveIdentity, wipeHome } from './home.ts'
import { join } from './join/join.ts'

/** Makes this node's keys, joins with them, and keeps the answer. Throws `already-joined`, and what `join` throws. */
export async function joinFleet(home: string, urlText: string): Promise<Identity> {
  const url = parseJoinUrl(urlText)
  if (hasIdentity(home)) {
    const { fleet, node } = loadIdentity(home)
    throw new HyphaError('already-joined', `${home} holds the identity of ${node} in fleet ${fleet}`, { where: home })
  }
  const { seed, boxSecret } = keysToJoin(home, () => ({
    seed: nodeCrypto.random(32),
    boxSecret: makeBoxKeys(nodeCrypto).secretKey,
  }))
  const answer = await join(url, {
    publicKey: nodeCrypto.publicKey(seed),
    boxKey: boxKeysOf(boxSecret).publicKey,
    sign: (message) => nodeCrypto.sign(seed, message),
  })
  const identity: Identity = {
    ...answer,
    node: url.node,
    seed,
    boxSecret,
    gatewayHost: url.host,
    gatewayPort: url.port,
    certifiedMs: Date.now(),
  }
  saveIdentity(home, identity)
  ensureNodeFile(home)
  return identity
}

/** What a person may know of a node's identity. */
export function describeIdentity(home: string): Record<string, string> {
  const { fleet, node, tier, certificate, brokerHost, brokerPort, seed } = loadIdentity(home)
  const x509 = new X509Certificate(certificate)
  return {
    node,
    fleet,
    tier,
    broker: `${brokerHost}:${brokerPort}`,
    key: Buffer.from(nodeCrypto.publicKey(seed)).toString('hex'),
    certificate: `valid until ${new Date(x509.validTo).toISOString().slice(0, 10)}`,
    home,
  }
}

export function leaveFleet(home: string): { fleet: string; node: string } {
  const { fleet, node } = loadIdentity(home)
  wipeHome(home)
  return { fleet, node }
}
