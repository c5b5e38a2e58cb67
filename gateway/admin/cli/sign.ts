import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { addSignature, openEnvelope, seedSigner, signaturesBy } from '@hypha/core/trust/cose.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { verifyFirstRoot, verifyNextRoot } from '@hypha/core/trust/root-chain.ts'
import { checkRelease } from '@hypha/core/trust/shape.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { readFleetFile } from '../../home.ts'
import { readKeyInfo } from '../../keys/key-file.ts'
import { checkContents } from '../../push/accept.ts'
import { Roots } from '../../roots.ts'
import { maxPushBytes, pushBody } from '../api/push-body.ts'
import type { PushAnswer, ReleaseDetail, ReleaseEnvelope } from '../api/schemas/apps.ts'
import type { NodeSummary } from '../api/schemas/nodes.ts'
import type { RootView } from '../api/schemas/root.ts'
import { type Cli, parseDuration, wholeNumber } from './cli.ts'
import { openKey } from './keys.ts'
import { confirm } from './prompt.ts'
import { waitsFor } from './push.ts'
import { formatBytes, listing, printable } from './table.ts'
import { awaitRollout, type Outcome } from './wait.ts'

/** As they stand on the command line. */
export interface SignOptions {
  readonly key?: string
  readonly yes?: boolean
  readonly wait: boolean
  readonly timeout: string
}

/** What is to be signed, checked against its own bytes and the signatures that it has. */
interface Checked {
  readonly view: ReleaseEnvelope
  readonly envelope: Uint8Array
  readonly wanted: Release
  /** Ids of keys that are, or were, of the release role, and have signed it. */
  readonly by: readonly string[]
  /** Whether this home says whom to believe; otherwise it is the gateway's word. */
  readonly pinned: boolean
}

/** Adds a signature to a release: one that waits, or one that root metadata has left with too few. */
export async function signGiven(cli: Cli, given: string, options: SignOptions): Promise<void> {
  const [app = '', number = ''] = given.split('@', 2)
  const wanted = { app, number: wholeNumber(number, 'The number after @', 1, 0xffff_ffff) }
  const path = options.key ?? join(cli.home.keys, 'release.key')
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const mine = readKeyInfo(path)
  const checked = await fetchAndCheck(cli, wanted, mine.fleet)
  const { view, envelope } = checked
  if (!view.role.keys.includes(toHex(mine.publicKey))) {
    throw new HyphaError('threshold-not-met', `${path} is no key of the release role of ${mine.fleet}`, {
      where: path,
      mend: 'Name another key file with --key; hypha root show says which keys the role has.',
    })
  }
  cli.note(await describe(cli, checked))
  if (options.yes !== true) await ask(`Sign ${app}@${wanted.number} with ${path}?`)
  const { seed } = await openKey(path)
  const signed = addSignature(envelope, 'release', seedSigner(seed, nodeCrypto), maxReleaseBytes)
  const answer = await cli.api.request<PushAnswer>('POST', `${pathOf(wanted)}/signatures`, { cbor: signed })
  const runs = !answer.pending && answer.plan.release === answer.number
  const outcome = options.wait && runs ? await follow(cli, answer, timeoutMs) : null
  cli.print({ ...answer, outcome }, () => told(answer, runs, outcome))
}

const pathOf = ({ app, number }: { app: string; number: number }) =>
  `/v1/apps/${encodeURIComponent(app)}/releases/${number}`

/** Nothing of what the gateway says is believed that can be checked here. */
async function fetchAndCheck(cli: Cli, typed: { app: string; number: number }, fleet: string): Promise<Checked> {
  const [view, pushed, root] = await Promise.all([
    cli.api.request<ReleaseEnvelope>('GET', `${pathOf(typed)}/envelope`),
    cli.api.bytes(`${pathOf(typed)}/pushed`, maxPushBytes),
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
  const { components } = pushBody.decode(pushed)
  checkContents(wanted, components, nodeCrypto)
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

/** What a person is about to vouch for. */
async function describe(cli: Cli, { view, wanted, by, pinned }: Checked): Promise<string> {
  const running =
    view.running === null || view.running === view.number
      ? null
      : await cli.api.request<ReleaseDetail>('GET', pathOf({ app: view.app, number: view.running }))
  const head = listing([
    ['release', `${wanted.app}@${wanted.number}${wanted.label === '' ? '' : ` (${wanted.label})`} of ${wanted.fleet}`],
    ['digest', view.digest],
    ['made', new Date(Math.min(wanted.createdMs, 8.64e15)).toISOString()],
    ['floor', wanted.floor === 0 ? 'any release may run' : `no release below ${wanted.floor} may run ever again`],
    ['signed by', `${by.join(' ')}: ${view.signed} of the ${view.threshold} that it needs`],
    ['believed', pinned ? "by this home's root metadata" : "by the gateway's word: this home has no root metadata"],
    [
      'runs now',
      view.running === null ? 'nothing' : view.running === view.number ? 'this one' : `release ${view.running}`,
    ],
  ])
  const modules = wanted.modules.map((module) =>
    listing([
      ['module', `${module.name}${differs(module, running)}`],
      ['size', `${formatBytes(module.component.size)}, ${toHex(module.component.digest)}`],
      ['memory', formatBytes(module.spec.limits.memoryBytes)],
      ['imports', module.world.imports.map(({ name }) => name).join(' ') || 'nothing'],
      ['publishes', module.spec.publish.join(' ') || 'nothing'],
      ['subscribes', module.spec.subscribe.join(' ') || 'nothing'],
      ['http', module.spec.httpHosts.join(' ') || 'no hosts'],
    ]),
  )
  const files = (wanted.files ?? []).map(
    ({ name, arch, artifact }) =>
      `file      ${name}${arch === null ? '' : ` for ${printable(arch)}`}, ${formatBytes(artifact.size)}, ${toHex(artifact.digest)}`,
  )
  const kept = new Set(wanted.modules.map(({ name }) => name))
  const gone = (running?.modules ?? []).filter(({ name }) => !kept.has(name)).map(({ name }) => name)
  const ends = gone.length === 0 ? [] : [`It has no more: ${gone.join(', ')}.`]
  return `${[head, ...modules, ...files, ...ends].join('\n\n')}\n`
}

/** How a module differs from the one of its name that runs, by what the gateway says of that. */
function differs(module: Release['modules'][number], running: ReleaseDetail | null): string {
  if (running === null) return ''
  const before = running.modules.find(({ name }) => name === module.name)
  if (before === undefined) return ': new'
  if (before.component.digest === toHex(module.component.digest)) return ': the same bytes as what runs'
  const more = module.world.imports.map(({ name }) => name).filter((name) => !before.imports.includes(name))
  return `: other bytes than what runs${more.length === 0 ? '' : `, and it imports more: ${more.join(' ')}`}`
}

async function ask(question: string): Promise<void> {
  const answer = await confirm(question)
  if (answer === true) return
  throw answer === null
    ? new HyphaError('argument-invalid', 'There is no terminal to ask at whether to sign', {
        mend: 'Look at what stands above, and sign it with --yes.',
      })
    : new HyphaError('argument-invalid', 'Nothing was signed', { mend: 'Run the command again to sign it.' })
}

/** Until every node that is there holds what says so, and has settled. */
async function follow(cli: Cli, { app, number }: PushAnswer, timeoutMs: number): Promise<Outcome> {
  const begun = performance.now()
  // What a node reports of a release that it runs is no word about new signatures: its directive is.
  for (;;) {
    const nodes = await cli.api.request<NodeSummary[]>('GET', '/v1/nodes')
    const behind = nodes.filter(({ online, directive }) => online && directive.held < directive.wanted)
    if (behind.length === 0 || performance.now() - begun > timeoutMs) break
    await delay(50)
  }
  return awaitRollout(cli, { app, number, timeoutMs: Math.max(1, timeoutMs - (performance.now() - begun)) })
}

function told(answer: PushAnswer, runs: boolean, outcome: Outcome | null): string {
  const { app, number, signed, threshold } = answer
  if (answer.pending) return waitsFor(answer)
  const count = `${app} ${number} has ${signed} of ${threshold} signatures`
  if (signed < threshold) return `${count}. Another hand has to sign: hypha sign ${app}@${number}`
  if (!runs) return `${count}: it may run again (hypha rollback ${app} ${number}).`
  if (outcome === null) return `${count}, and is to run.`
  const away = outcome.offline.length === 0 ? '' : ` Away, and to follow once back: ${outcome.offline.join(', ')}.`
  return `${count}, and runs on ${outcome.confirmed.join(', ') || 'no node yet'}.${away}`
}
