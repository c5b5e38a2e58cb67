import { bytesEqual } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Crypto } from '../ports/crypto.ts'
import { openEnvelope, verifyThreshold } from './cose.ts'
import { type RootMetadata, rootMetadata } from './root.ts'
import { checkRoot } from './shape.ts'
import { maxRootBytes } from './snapshot.ts'

// How one version of root metadata follows another: the one place that knows, for nodes, gateway and command line alike.

/** Root metadata that was verified, with the bytes that were signed. */
export interface VerifiedRoot {
  readonly root: RootMetadata
  readonly payload: Uint8Array
}

/**
 * The root metadata that a chain begins with. It is signed by itself alone: whoever trusts it has pinned its digest, or has made it. Throws `wrong-fleet`,
 * `root-unusable` and what envelopes throw.
 */
export function verifyFirstRoot(envelope: Uint8Array, fleet: string, crypto: Crypto): VerifiedRoot {
  const opened = openEnvelope(envelope, 'root', maxRootBytes)
  const root = rootMetadata.decode(opened.unverifiedPayload)
  const payload = verifyThreshold(opened, 'root', root.root, 'root', crypto)
  checkRoot(root)
  checkRootFleet(root, fleet)
  return { root, payload }
}

/**
 * The root metadata that follows `current`: signed by the threshold of the one before and by its own, of the next version and the same fleet. Expiry isn't judged:
 * whoever was away walks over expired ones. Throws `root-version`, `wrong-fleet`, `root-unusable` and what envelopes throw. [P 6.4]
 */
export function verifyNextRoot(current: RootMetadata, envelope: Uint8Array, crypto: Crypto): VerifiedRoot {
  const opened = openEnvelope(envelope, 'root', maxRootBytes)
  const payload = verifyThreshold(opened, 'root', current.root, `root (version ${current.version})`, crypto)
  const root = rootMetadata.decode(payload)
  verifyThreshold(opened, 'root', root.root, 'root (its own)', crypto)
  if (root.version !== current.version + 1) {
    const gap = root.version > current.version ? `: ${current.version + 1} comes between` : ''
    throw new HyphaError('root-version', `Root metadata ${root.version} can't follow ${current.version}${gap}`)
  }
  checkRootFleet(root, current.fleet)
  checkRoot(root)
  return { root, payload }
}

/**
 * What of a chain, by rising version, comes after the root metadata that is held (its payload); empty where it is the last. Nothing is verified here. Throws
 * `root-version` where the chain begins too late to be followed, or ends before what is held, and what opening and decoding throw. [P 6.4]
 */
export function restOfChain(held: Uint8Array, chain: readonly Uint8Array[]): readonly Uint8Array[] {
  const payloads = chain.map((envelope) => openEnvelope(envelope, 'root', maxRootBytes).unverifiedPayload)
  const at = payloads.findIndex((payload) => bytesEqual(payload, held))
  if (at >= 0) return chain.slice(at + 1)
  const [first, last] = [payloads[0], payloads.at(-1)].map((each) => each && rootMetadata.decode(each).version)
  const { version } = rootMetadata.decode(held)
  if (first === version + 1) return chain
  const range = first === undefined ? 'nothing' : `the versions ${first} to ${last}`
  const what = `The root metadata that came has ${range}; version ${version} is held`
  if (first !== undefined && first > version) {
    throw new HyphaError('root-version', `${what}: ${version + 1} comes between`, {
      mend: 'The node was away for longer than the chain reaches: let it join anew (hypha-agent leave --yes, hypha invite); what runs goes on until then.',
    })
  }
  throw new HyphaError('root-version', `${what}, and is not among them`, {
    mend: "Give the gateway back the newest files of its folder root/: it has lost them, or it is another fleet's.",
  })
}

function checkRootFleet(root: RootMetadata, fleet: string): void {
  if (root.fleet === fleet) return
  throw new HyphaError('wrong-fleet', `Root metadata is for the fleet ${root.fleet}, this is ${fleet}`)
}
