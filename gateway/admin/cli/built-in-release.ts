import { join } from 'node:path'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { readKeyInfo } from '../../keys/key-file.ts'
import { releasePayload, signRelease } from '../../push/release.ts'
import { pushBody } from '../api/push-body.ts'
import type { PushAnswer } from '../api/schemas/apps.ts'
import { type Cli, parseDuration, wholeNumber } from './cli.ts'
import { openKey } from './keys.ts'
import { lastNumber, rememberNumber } from './numbers.ts'
import { fetchKnown, waitsFor } from './push.ts'
import { formatBytes } from './table.ts'
import { floorNote, signedFloor } from './verified-release.ts'
import { awaitRollout, type Outcome } from './wait.ts'

/** As they stand on the command line. */
export interface BuiltInOptions {
  readonly key?: string
  readonly label?: string
  readonly floor?: string
  readonly wait: boolean
  readonly timeout: string
}

/** A program of Hypha itself, for the nodes of an architecture. */
export interface BuiltInFile {
  readonly name: string
  readonly arch: string | null
  readonly bytes: Uint8Array
}

export interface BuiltIn {
  readonly files: readonly BuiltInFile[]
  /** What the program calls itself. */
  readonly version: string
}

const maxLabel = 40

/** Signs and pushes the next release of a built-in app, and follows it to the nodes. `make` is called when everything that could refuse it has been asked. */
export async function releaseBuiltIn(
  cli: Cli,
  app: string,
  options: BuiltInOptions,
  make: () => Promise<BuiltIn>,
  nowhere: string,
): Promise<void> {
  const path = options.key ?? join(cli.home.keys, 'release.key')
  const known = await fetchKnown(cli, app)
  const before = await signedFloor(cli, app, known.latest, readKeyInfo(path).fleet)
  const floor = options.floor === undefined ? before : wholeNumber(options.floor, '--floor', before, known.latest + 1)
  const note = floorNote({ app, floor, before })
  if (note !== null) cli.note(note)
  const key = await openKey(path)
  const { files, version } = await make()
  const signed = files.map(({ name, arch, bytes }) => ({
    name,
    arch,
    artifact: { digest: nodeCrypto.sha256(bytes), size: bytes.length },
  }))
  const release: Release = {
    fleet: key.fleet,
    app,
    number: Math.max(known.latest, lastNumber(cli, key.fleet, app)) + 1,
    label: labelOf(options.label ?? version, signed[0]!.artifact.digest),
    createdMs: Date.now(),
    floor,
    modules: [],
    files: signed,
    rollout: null,
    follow: null,
  }
  const envelope = signRelease(releasePayload(release), [seedSigner(key.seed, nodeCrypto)])
  const components = files.map(({ bytes }) => bytes)
  const once = components.filter((bytes, i) => components.findIndex((other) => bytesEqual(bytes, other)) === i)
  const cbor = pushBody.encode({ envelope, components: once })
  const answer = await cli.api.request<PushAnswer>('POST', '/v1/push', { cbor })
  rememberNumber(cli, key.fleet, app, answer.number)
  const size = once.reduce((sum, { length }) => sum + length, 0)
  if (!answer.pending) cli.note(`${app} ${answer.number} (${release.label}, ${formatBytes(size)})`)
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const outcome = options.wait && !answer.pending ? await awaitRollout(cli, { ...answer, timeoutMs }) : null
  cli.print({ ...answer, label: release.label, bytes: size, outcome }, () => told(app, answer, outcome, nowhere))
}

function told(app: string, answer: PushAnswer, outcome: Outcome | null, none: string): string {
  if (answer.pending) return waitsFor(answer)
  if (outcome === null) return `${app} ${answer.number} is accepted.`
  const away = outcome.offline.length > 0 ? `\nAway, and to follow once back: ${outcome.offline.join(', ')}.` : ''
  const nowhere = outcome.offline.length > 0 ? 'no node yet' : none
  return `${app} ${answer.number} runs on ${outcome.confirmed.join(', ') || nowhere}.${away}`
}

/** Two builds of one version differ: the digest tells them apart. */
function labelOf(version: string, digest: Uint8Array): string {
  const short = toHex(digest).slice(0, 8)
  return `${version.slice(0, maxLabel - short.length - 1)} ${short}`.trim()
}
