import { X509Certificate } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { boxKeysOf, makeBoxKeys } from '@hypha/core/trust/seal.ts'
import { type JoinUrl, parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import {
  adoptKeys,
  dropKeysToJoinAgain,
  ensureNodeFile,
  hasIdentity,
  type Identity,
  keysToJoin,
  loadIdentity,
  type NodeKeys,
  replaceIdentity,
  saveIdentity,
  wipeHome,
} from './home.ts'
import { join as requestToJoin } from './join/join.ts'
import { openVerifier } from './open-verifier.ts'
import { beginJournalAnew } from './report/anew.ts'
import { through } from './through.ts'
import { TrustFile } from './trust-file.ts'

export interface JoinFleetOptions {
  /** In a folder that has joined as this very node: with new keys, and a new incarnation of its journal. Its data and its node file stay. */
  readonly again?: boolean
}

/** A clock that is before this was never set: when the certificate came isn't known then. */
const firstPlausibleMs = Date.UTC(2026, 0, 1)

/** Makes this node's keys, joins with them, and keeps the answer. Throws `already-joined`, and what `join` throws. */
export async function joinFleet(
  home: string,
  urlText: string,
  { again = false }: JoinFleetOptions = {},
): Promise<Identity> {
  const url = parseJoinUrl(urlText)
  if (hasIdentity(home)) {
    checkSameNode(home, url, again)
    return await joinAgain(home, url)
  }
  // Of a node that has left, and was cut off at its last step.
  rmSync(join(home, 'leaving'), { force: true })
  const identity = await enrol(url, keysToJoin(home, newKeys))
  saveIdentity(home, identity)
  ensureNodeFile(home)
  return identity
}

const newKeys = () => ({ seed: nodeCrypto.random(32), boxSecret: makeBoxKeys(nodeCrypto).secretKey })

/** Throws `already-joined` unless this folder's node is to join again, and is the one that the URL is for. */
function checkSameNode(home: string, url: JoinUrl, again: boolean): void {
  const { fleet, node } = loadIdentity(home)
  const same = fleet === url.fleet && node === url.node
  if (same && again) return
  const message = `${home} holds the identity of ${node} in fleet ${fleet}`
  if (!same) {
    throw new HyphaError('already-joined', `${message}; the URL is for ${url.node} in ${url.fleet}`, { where: home })
  }
  throw new HyphaError('already-joined', message, {
    where: home,
    mend: `If it works, there is nothing to do: hypha-agent run. To give it new keys and keep its data: hypha-agent join URL --again, with a URL from hypha invite ${node} --replace.`,
  })
}

/** New keys come into force in one step, and a journal that another machine may have a copy of is left behind before. */
async function joinAgain(home: string, url: JoinUrl): Promise<Identity> {
  const before = loadIdentity(home)
  let keys = keysToJoin(home, newKeys, 'keys-again')
  if (bytesEqual(keys.seed, before.seed)) {
    dropKeysToJoinAgain(home)
    keys = keysToJoin(home, newKeys, 'keys-again')
  }
  const identity = await enrol(url, keys)
  if (existsSync(join(home, 'data'))) {
    const files = nodeFiles(join(home, 'data'))
    await beginJournalAnew(files)
    dropDamagedTrust(files, identity)
  }
  await replaceIdentity(home, identity)
  adoptKeys(home)
  return identity
}

/** What can't be read keeps the node from running; it was invited anew, and begins with the root metadata that this invitation pins. */
function dropDamagedTrust(files: Files, identity: Identity): void {
  try {
    openVerifier(new TrustFile(files), identity, nodeCrypto, Date.now)
  } catch (thrown) {
    if (asHyphaError(thrown).code !== 'trust-damaged') throw thrown
    files.remove('trust')
  }
}

async function enrol(url: JoinUrl, { seed, boxSecret }: NodeKeys): Promise<Identity> {
  const identity = {
    publicKey: nodeCrypto.publicKey(seed),
    boxKey: boxKeysOf(boxSecret).publicKey,
    sign: (message: Uint8Array) => nodeCrypto.sign(seed, message),
  }
  const answer = await requestToJoin(url, identity, { path: through('api') })
  const now = Date.now()
  return {
    ...answer,
    node: url.node,
    seed,
    boxSecret,
    gatewayHost: url.host,
    gatewayPort: url.port,
    certifiedMs: now < firstPlausibleMs ? null : now,
  }
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
