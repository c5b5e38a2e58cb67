import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { openEnvelope, signaturesBy, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { type Release, type ReleaseModule, release } from '@hypha/core/trust/release.ts'
import { isTimeZone } from '@hypha/core/trust/rollout-shape.ts'
import type { Role } from '@hypha/core/trust/root.ts'
import { checkRelease } from '@hypha/core/trust/shape.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { worldToItem } from '@hypha/core/wasm/encode-world.ts'
import { checkFiles } from './files.ts'
import { checkLinks } from './linking.ts'
import { describeModule } from './release.ts'

export interface AcceptDeps {
  readonly fleet: string
  /** The release role of the root metadata in force. */
  readonly role: Role
  readonly crypto: Crypto
  /** What the gateway knows of an app; zeros for one that it doesn't. */
  readonly known: (app: string) => {
    /** The highest number of its releases, also of one that waits for signatures, and that one's digest in hex; 0 and null before the first. */
    readonly number: number
    readonly digest: string | null
    /** The highest floor that was set. */
    readonly floor: number
  }
}

/** A release that a key of the role has signed at least, and whose words were found true of its bytes. */
export interface AcceptedRelease {
  readonly release: Release
  /** SHA-256 of the payload, 32 bytes. */
  readonly digest: Uint8Array<ArrayBuffer>
  readonly envelope: Uint8Array
  /** Whether as many keys have signed as the role asks for: only then it may run. */
  readonly enough: boolean
  /** Components and core forms, by their digest in hex. */
  readonly contents: ReadonlyMap<string, Uint8Array>
}

/**
 * Accepts what was pushed: first the signatures, then the numbers, then every component's bytes against what was signed of them. Nothing is stored here. The very release
 * that is the app's last one already is accepted again, so that a push whose answer was lost can be repeated. One signature of the role is enough to be looked at: the
 * others may follow.
 *
 * Throws what envelopes throw, `wrong-fleet`, `metadata-invalid`, `release-number`, `release-below-floor`, `push-incomplete`, `release-mismatch`,
 * `wasi-refused`, `link-unresolvable`, and what `analyse` throws.
 */
export function accept(envelope: Uint8Array, components: readonly Uint8Array[], deps: AcceptDeps): AcceptedRelease {
  const { crypto, role } = deps
  const opened = openEnvelope(envelope, 'release', maxReleaseBytes)
  const signed = signaturesBy(opened, role, crypto).valid.length
  const payload = signed > 0 ? opened.unverifiedPayload : verifyThreshold(opened, 'release', role, 'release', crypto)
  const accepted = release.decode(payload)
  if (accepted.fleet !== deps.fleet) {
    throw new HyphaError('wrong-fleet', `The release is for the fleet ${accepted.fleet}, this is ${deps.fleet}`)
  }
  checkRelease(accepted)
  checkZones(accepted)
  const digest = crypto.sha256(payload)
  checkNumber(accepted, toHex(digest), deps)
  const contents = checkContents(accepted, components, crypto)
  return { release: accepted, digest, envelope, enough: signed >= role.threshold, contents }
}

/** Its windows are kept here: one in a time zone that this system doesn't know could never open. Throws `metadata-invalid`. */
function checkZones({ app, rollout }: Release): void {
  const unknown = rollout?.windows.find(({ zone }) => !isTimeZone(zone))
  if (!unknown) return
  throw new HyphaError(
    'metadata-invalid',
    `The rollout of ${app} has a window in the time zone ${JSON.stringify(unknown.zone)}, which this gateway doesn't know`,
  )
}

/**
 * The components, core forms and files of a release, by their digest in hex, if what it says of them is true of their bytes: they are analysed again. Throws `push-incomplete`,
 * `release-mismatch`, `wasi-refused`, `link-unresolvable`, and what `analyse` throws.
 */
export function checkContents(
  { app, modules, files }: Release,
  components: readonly Uint8Array[],
  crypto: Crypto,
): Map<string, Uint8Array> {
  const given = new Map(components.map((bytes) => [toHex(crypto.sha256(bytes)), bytes]))
  const contents = new Map([
    ...modules.flatMap((module) => checkModule(module, given, crypto)),
    ...checkFiles(files ?? [], given),
  ])
  checkLinks(app, modules)
  return contents
}

function checkNumber({ app, number, floor }: Release, digest: string, deps: AcceptDeps): void {
  const known = deps.known(app)
  if (number === known.number && digest === known.digest) return
  if (number <= known.number) {
    throw new HyphaError(
      'release-number',
      `${app} has release ${known.number} already, this one has the number ${number}`,
      {
        mend: `Give it the number ${known.number + 1}, and push again.`,
      },
    )
  }
  // Rising numbers keep this from happening, but for a floor that was set above every number.
  if (number < known.floor) {
    throw new HyphaError('release-below-floor', `Release ${number} of ${app} is below its floor ${known.floor}`)
  }
  if (floor < known.floor) {
    const text = `Release ${number} of ${app} sets the floor to ${floor}, and it is at ${known.floor} already: it only rises`
    throw new HyphaError('metadata-invalid', text)
  }
}

/** The contents of one module, by their digests in hex. */
function checkModule(
  signed: ReleaseModule,
  given: ReadonlyMap<string, Uint8Array>,
  crypto: Crypto,
): [string, Uint8Array][] {
  const name = toHex(signed.component.digest)
  const component = given.get(name)
  if (component === undefined) {
    throw new HyphaError('push-incomplete', `The component of ${signed.name}, with the digest ${name}, was not pushed`)
  }
  const { described, core } = describeModule({ name: signed.name, component, spec: signed.spec }, crypto)
  const differs = differences(signed, described)
  if (differs.length > 0) {
    const text = `The release says of ${signed.name} what its component does not: ${differs.join('; ')}`
    throw new HyphaError('release-mismatch', text, { where: signed.name })
  }
  return core === null
    ? [[name, component]]
    : [
        [name, component],
        [toHex(crypto.sha256(core)), core],
      ]
}

function differences(signed: ReleaseModule, found: ReleaseModule): string[] {
  const differs: string[] = []
  const compare = (what: string, said: string | number | null, is: string | number | null) => {
    if (said !== is) differs.push(`${what} is ${is ?? 'not there'}, the release says ${said ?? 'that there is none'}`)
  }
  compare('its size', signed.component.size, found.component.size)
  compare('its core form', coreName(signed), coreName(found))
  compare('its initial memory', signed.memory.initialBytes, found.memory.initialBytes)
  compare('its maximum of memory', signed.memory.maximumBytes, found.memory.maximumBytes)
  compare('the end of its memory', signed.memory.endBytes, found.memory.endBytes)
  compare('its limit of memory', signed.spec.limits.memoryBytes, found.spec.limits.memoryBytes)
  compare('its links', hintNames(signed), hintNames(found))
  compare('what it uses of WebAssembly', signed.features.join(', '), found.features.join(', '))
  for (const side of ['imports', 'exports'] as const) {
    compare(`what it ${side}`, namesOf(signed, side), namesOf(found, side))
  }
  if (differs.length === 0 && !bytesEqual(worldBytes(signed), worldBytes(found))) {
    differs.push('the types of its interfaces are others')
  }
  return differs
}

const coreName = ({ core }: ReleaseModule): string | null =>
  core === null ? null : `${toHex(core.digest)} of ${core.size} bytes`

const hintNames = ({ spec }: ReleaseModule): string => (spec.links ?? []).map((hint) => hint.interface).join(', ')

const namesOf = ({ world }: ReleaseModule, side: 'imports' | 'exports'): string =>
  world[side].map(({ name }) => name).join(', ')

const worldBytes = ({ world }: ReleaseModule): Uint8Array => encodeCbor(worldToItem(world))
