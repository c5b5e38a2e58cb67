import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeTar } from '@hypha/core/bytes/tar.ts'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
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
export interface AgentReleaseOptions {
  readonly key?: string
  readonly label?: string
  readonly bundle?: string
  readonly floor?: string
  readonly wait: boolean
  readonly timeout: string
}

// Run as a program of its own: the gateway's side knows no code of the agent's.
const bundler = fileURLToPath(new URL('../../../agent/bundle.ts', import.meta.url))
const maxLabel = 40

/** Bundles, signs and pushes the agent's program, and follows it to the nodes. */
export async function releaseAgent(cli: Cli, options: AgentReleaseOptions): Promise<void> {
  const path = options.key ?? join(cli.home.keys, 'release.key')
  const known = await fetchKnown(cli, agentApp)
  const before = await signedFloor(cli, agentApp, known.latest, readKeyInfo(path).fleet)
  const floor = options.floor === undefined ? before : wholeNumber(options.floor, '--floor', before, known.latest + 1)
  const note = floorNote({ app: agentApp, floor, before })
  if (note !== null) cli.note(note)
  const key = await openKey(path)
  const { archive, version } = options.bundle === undefined ? await bundled(options.label) : pack(options.bundle)
  const digest = nodeCrypto.sha256(archive)
  const release: Release = {
    fleet: key.fleet,
    app: agentApp,
    number: Math.max(known.latest, lastNumber(cli, key.fleet, agentApp)) + 1,
    label: labelOf(options.label ?? version, digest),
    createdMs: Date.now(),
    floor,
    modules: [],
    files: [{ name: 'agent', arch: null, artifact: { digest, size: archive.length } }],
    rollout: null,
  }
  const envelope = signRelease(releasePayload(release), [seedSigner(key.seed, nodeCrypto)])
  const cbor = pushBody.encode({ envelope, components: [archive] })
  const answer = await cli.api.request<PushAnswer>('POST', '/v1/push', { cbor })
  rememberNumber(cli, key.fleet, agentApp, answer.number)
  if (!answer.pending) cli.note(`${agentApp} ${answer.number} (${release.label}, ${formatBytes(archive.length)})`)
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const outcome = options.wait && !answer.pending ? await awaitRollout(cli, { ...answer, timeoutMs }) : null
  cli.print({ ...answer, label: release.label, bytes: archive.length, outcome }, () => told(answer, outcome))
}

function told(answer: PushAnswer, outcome: Outcome | null): string {
  if (answer.pending) return waitsFor(answer)
  if (outcome === null) return `${agentApp} ${answer.number} is accepted.`
  const away = outcome.offline.length > 0 ? `\nAway, and to follow once back: ${outcome.offline.join(', ')}.` : ''
  const nowhere = outcome.offline.length > 0 ? 'no node yet' : 'no node: none has installed its agent'
  return `${agentApp} ${answer.number} runs on ${outcome.confirmed.join(', ') || nowhere}.${away}`
}

interface Packed {
  readonly archive: Uint8Array
  readonly version: string
}

async function bundled(version: string | undefined): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-agent-'))
  try {
    await promisify(execFile)(process.execPath, [bundler, folder, ...(version === undefined ? [] : [version])])
    return pack(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A folder of programs as the archive that nodes unpack. Throws `argument-invalid` for one without a main.js, and what `writeTar` throws. */
function pack(folder: string): Packed {
  if (!existsSync(join(folder, 'main.js'))) {
    throw new HyphaError('argument-invalid', `${folder} is no bundle of the agent: it has no main.js`, {
      where: folder,
      mend: 'Make one with: node agent/bundle.ts FOLDER.',
    })
  }
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const files = entries.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return { name: relative(folder, path), bytes: readFileSync(path) }
  })
  return { archive: writeTar(files), version: versionOf(folder) }
}

function versionOf(folder: string): string {
  const path = join(folder, 'package.json')
  const { version } = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { version?: unknown }) : {}
  return typeof version === 'string' ? version : ''
}

/** Two bundles of one version differ: the digest tells them apart. */
function labelOf(version: string, digest: Uint8Array): string {
  const short = toHex(digest).slice(0, 8)
  return `${version.slice(0, maxLabel - short.length - 1)} ${short}`.trim()
}
