import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { addSignature, seedSigner } from '@hypha/core/trust/cose.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { readKeyInfo } from '../../keys/key-file.ts'
import { checkContents } from '../../push/accept.ts'
import { maxPushBytes, pushBody } from '../api/push-body.ts'
import type { PushAnswer, ReleaseDetail } from '../api/schemas/apps.ts'
import type { NodeSummary } from '../api/schemas/nodes.ts'
import { type Cli, parseDuration, wholeNumber } from './cli.ts'
import { openKey } from './keys.ts'
import { confirm } from './prompt.ts'
import { waitsFor } from './push.ts'
import { formatBytes, listing, printable } from './table.ts'
import { fetchRelease, releasePath, type VerifiedRelease } from './verified-release.ts'
import { awaitRollout, type Outcome } from './wait.ts'

/** As they stand on the command line. */
export interface SignOptions {
  readonly key?: string
  readonly yes?: boolean
  readonly wait: boolean
  readonly timeout: string
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
  const answer = await cli.api.request<PushAnswer>('POST', `${releasePath(wanted)}/signatures`, { cbor: signed })
  const runs = !answer.pending && answer.plan.release === answer.number
  const outcome = options.wait && runs ? await follow(cli, answer, timeoutMs) : null
  cli.print({ ...answer, outcome }, () => told(answer, runs, outcome))
}

/** The release, and its contents checked against what it lists: nothing of what the gateway says is believed that can be checked here. */
async function fetchAndCheck(
  cli: Cli,
  typed: { app: string; number: number },
  fleet: string,
): Promise<VerifiedRelease> {
  const [checked, pushed] = await Promise.all([
    fetchRelease(cli, typed, fleet),
    cli.api.bytes(`${releasePath(typed)}/pushed`, maxPushBytes),
  ])
  checkContents(checked.wanted, pushBody.decode(pushed).components, nodeCrypto)
  return checked
}

/** What a person is about to vouch for. */
async function describe(cli: Cli, { view, wanted, by, pinned }: VerifiedRelease): Promise<string> {
  const running =
    view.running === null || view.running === view.number
      ? null
      : await cli.api.request<ReleaseDetail>('GET', releasePath({ app: view.app, number: view.running }))
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
