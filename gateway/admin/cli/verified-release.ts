import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { openEnvelope, signaturesBy } from '@hypha/core/trust/cose.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { verifyFirstRoot, verifyNextRoot } from '@hypha/core/trust/root-chain.ts'
import { checkRelease } from '@hypha/core/trust/shape.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { readFleetFile } from '../../home.ts'
import { Roots } from '../../roots.ts'
import type { ReleaseEnvelope } from '../api/schemas/apps.ts'
import type { RootView } from '../api/schemas/root.ts'
import type { Cli } from './cli.ts'

/** A release as it was signed, checked against the signatures that it has. */
export interface VerifiedRelease {
  readonly view: ReleaseEnvelope
  readonly envelope: Uint8Array
  readonly wanted: Release
  /** Ids of keys that are, or were, of the release role, and have signed it. */
  readonly by: readonly string[]
  /** Whether this home says whom to believe; otherwise it is the gateway's word. */
  readonly pinned: boolean
}

export const releasePath = ({ app, number }: { app: string; number: number }): string =>
  `/v1/apps/${encodeURIComponent(app)}/releases/${number}`

/**
 * A release of which the gateway has the envelope. Nothing of what the gateway says about it is believed. Throws `wrong-fleet`, `release-mismatch`, `threshold-not-met` for one that nobody
 * of the release role has signed, and what `checkRelease` throws.
 */
export async function fetchRelease(
  cli: Cli,
  typed: { readonly app: string; readonly number: number },
  fleet: string,
): Promise<VerifiedRelease> {
  const [view, root] = await Promise.all([
    cli.api.request<ReleaseEnvelope>('GET', `${releasePath(typed)}/envelope`),
    cli.api.request<RootView>('GET', '/v1/root'),
  ])
  const envelope = Uint8Array.from(Buffer.from(view.envelope, 'base64'))
  const opened = openEnvelope(envelope, 'release', maxReleaseBytes)
  const wanted = release.decode(opened.unverifiedPayload)
  if (wanted.fleet !== fleet) {
    throw new HyphaError('wrong-fleet', `The release is for the fleet ${wanted.fleet}, the key is of ${fleet}`)
  }
  if (wanted.app !== typed.app || wanted.number !== typed.number) {
    const text = `The gateway gave release ${wanted.number} of ${wanted.app} for ${typed.app}@${typed.number}`
    throw new HyphaError('release-mismatch', text)
  }
  const digest = toHex(nodeCrypto.sha256(opened.unverifiedPayload))
  if (digest !== view.digest) {
    throw new HyphaError('release-mismatch', `The gateway names the digest ${view.digest}, the release has ${digest}`)
  }
  checkRelease(wanted)
  const { roots, pinned } = knownRoots(cli, fleet, root)
  const keys = [...new Map(roots.flatMap((each) => each.release.keys).map((key) => [toHex(key), key])).values()]
  const by = signaturesBy(opened, { threshold: 1, keys }, nodeCrypto).valid.map(toHex)
  if (by.length === 0) {
    throw new HyphaError(
      'threshold-not-met',
      `No key that is or was of the release role has signed ${typed.app}@${typed.number}`,
      {
        mend: 'Do not sign it: nobody whom this fleet trusts has made it.',
      },
    )
  }
  return { view, envelope, wanted, by, pinned }
}

/** Root metadata of the fleet, from the first on: of this home, and what verifiably follows it at the gateway. */
function knownRoots(cli: Cli, fleet: string, { envelopes }: RootView): { roots: RootMetadata[]; pinned: boolean } {
  // A home of another fleet says nothing of this one.
  const ofFleet = !existsSync(cli.home.fleetFile) || readFleetFile(cli.home).fleet === fleet
  const pinned = ofFleet && existsSync(join(cli.home.roots, '1.root'))
  const given = envelopes.map((text) => Uint8Array.from(Buffer.from(text, 'base64')))
  const own = pinned
    ? new Roots({ files: nodeFiles(cli.home.roots), folder: cli.home.roots, fleet, crypto: nodeCrypto }).chain
    : given.slice(0, 1)
  if (pinned && (given.length === 0 || !bytesEqual(given[0]!, own[0]!))) {
    throw new HyphaError('root-version', 'The gateway has other root metadata than this home', {
      where: cli.home.roots,
      mend: 'Check that the gateway is the one of this fleet; name the home of this fleet with --home.',
    })
  }
  const chain = [...own, ...given.slice(own.length)]
  const roots: RootMetadata[] = []
  for (const envelope of chain) {
    const before = roots.at(-1)
    const { root } =
      before === undefined ? verifyFirstRoot(envelope, fleet, nodeCrypto) : verifyNextRoot(before, envelope, nodeCrypto)
    roots.push(root)
  }
  return { roots, pinned }
}

/**
 * The floor of an app's newest release, from what its author has signed; 0 where there is none. The gateway's word is not enough: a floor that its thief made up would be signed by the next push, and no
 * release below may run ever again. Throws what `fetchRelease` throws.
 */
export async function signedFloor(cli: Cli, app: string, latest: number, fleet: string): Promise<number> {
  if (latest === 0) return 0
  return (await fetchRelease(cli, { app, number: latest }, fleet)).wanted.floor
}

/** What is to be said before a release is signed; null where its floor is none. */
export function floorNote({ app, floor, before }: { app: string; floor: number; before: number }): string | null {
  if (floor === 0) return null
  if (floor === before) return `The floor of ${app} stays at ${floor}.`
  return `This raises the floor of ${app} from ${before} to ${floor}: no release below ${floor} may run ever again.`
}
