import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Plan } from '../../plan.ts'
import type { BuiltModule } from '../../push/build/build.ts'
import { loadManifest, type Manifest } from '../../push/build/manifest.ts'
import type { ReleaseToMake } from '../../push/release.ts'
import type { Status } from '../api/schemas/access.ts'
import type { AppSummary, PushAnswer } from '../api/schemas/apps.ts'
import type { NodeSummary } from '../api/schemas/nodes.ts'
import type { ReceiptView } from '../api/schemas/rollouts.ts'
import { type Cli, parseDuration, wholeNumber } from './cli.ts'
import { lastNumber, rememberNumber } from './numbers.ts'
import type { Tiers } from './plan-tree.ts'
import { type FlipTime, flippedLine, spreads } from './spread.ts'
import { inLocalTime } from './table.ts'
import { travelLines } from './travels.ts'
import type { Outcome } from './wait.ts'

/** As they stand on the command line. */
export interface PushOptions {
  readonly key?: string
  readonly floor?: string
  readonly snap?: boolean
  readonly approve?: boolean
  readonly now?: boolean
  readonly wait: boolean
  readonly timeout: string
}

/** What a new release of an app follows. */
interface Known {
  readonly latest: number
  readonly floor: number
}

/** The tier of each node. */
export async function fetchTiers(cli: Cli): Promise<Tiers> {
  const nodes = await cli.api.request<NodeSummary[]>('GET', '/v1/nodes')
  return new Map(nodes.map(({ id, tier }) => [id, tier]))
}

/** Builds an app and asks where it would run. */
export async function planFolder(cli: Cli, folder: string): Promise<Plan> {
  const manifest = loadManifest(folder)
  const [known, { fleet }, tools] = await Promise.all([
    fetchKnown(cli, manifest.name),
    cli.api.request<Status>('GET', '/v1/status'),
    loadTools(),
  ])
  const built = await tools.buildWithProgress(cli, manifest, false)
  const payload = tools.payloadOf(cli, nextRelease(manifest, built, fleet, known, known.floor))
  return cli.api.request<Plan>('POST', '/v1/plan', { cbor: payload })
}

/** The whole way from sources to nodes that run them. */
export async function pushFolder(cli: Cli, folder: string, options: PushOptions): Promise<void> {
  const stages = new Stages()
  const manifest = loadManifest(folder)
  const path = options.key ?? join(cli.home.keys, 'release.key')
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const { known, tools, fleet, before } = await stages.measure('ask', async () => {
    const [known, tools] = await Promise.all([fetchKnown(cli, manifest.name), loadTools()])
    // A key of another fleet is refused by the gateway, which knows its own.
    const { fleet } = tools.readKeyInfo(path)
    return { known, tools, fleet, before: await tools.signedFloor(cli, manifest.name, known.latest, fleet) }
  })
  const floor = options.floor === undefined ? before : wholeNumber(options.floor, '--floor', before, known.latest + 1)
  const note = tools.floorNote({ app: manifest.name, floor, before })
  if (note !== null) cli.note(note)
  const open = () => stages.measure('key', () => tools.openKey(path))
  // A question at the terminal comes before the lines of progress; a passphrase from the environment is tried while it builds.
  const early = process.env.HYPHA_PASSPHRASE === undefined ? await open() : null
  const [key, built] = await Promise.all([
    early ?? open(),
    stages.measure('build', () => tools.buildWithProgress(cli, manifest, false)),
  ])
  const latest = Math.max(known.latest, lastNumber(cli, fleet, manifest.name))
  if (latest > known.latest) {
    cli.note(
      `The gateway knows ${manifest.name} up to release ${known.latest}, this home has made ${latest}: it goes on above that.`,
    )
  }
  const payload = stages.measureNow('analyse', () =>
    tools.payloadOf(cli, nextRelease(manifest, built, fleet, { ...known, latest }, floor)),
  )
  const body = stages.measureNow('sign', () => tools.signedPush(payload, key, built))
  const [answer, tree, wait] = await stages.measure('accept', () =>
    Promise.all([
      cli.api.request<PushAnswer>('POST', '/v1/push', { cbor: body, query: rolloutQuery(options) }),
      cli.json ? null : Promise.all([fetchTiers(cli), import('./plan-tree.ts')]),
      options.wait ? import('./wait.ts') : null,
    ]),
  )
  rememberNumber(cli, fleet, answer.app, answer.number)
  if (tree !== null) {
    const [tiers, { planTree }] = tree
    cli.note(`\n${planTree(answer.plan, tiers)}\n`)
  }
  const outcome =
    wait === null || answer.pending
      ? null
      : await stages.measure('rollout', () => {
          const onRunning = stages.begin('activate')
          return wait.awaitRollout(cli, { ...answer, timeoutMs, onRunning })
        })
  const flips = outcome === null || outcome.waitsFor !== null ? [] : await fetchFlips(cli, answer)
  cli.print(
    { ...answer, outcome, flips: spreads(flips), startedAt: performance.timeOrigin, timingsMs: stages.timings() },
    () => told(answer, outcome, flips, stages),
  )
}

/** When nodes have flipped to what was pushed, by the receipts that have come. */
async function fetchFlips(cli: Cli, { app, epoch }: PushAnswer): Promise<FlipTime[]> {
  const path = `/v1/apps/${encodeURIComponent(app)}/receipts`
  const receipts = await cli.api.request<ReceiptView[]>('GET', path, { query: { epoch: `${epoch}` } })
  return receipts.map((each) => ({ ...each, errorMs: each.errorMs ?? Number.POSITIVE_INFINITY }))
}

/** What is said over the release's own rollout. */
const rolloutQuery = ({ snap, approve, now }: PushOptions) => ({
  snap: snap ? 'true' : undefined,
  approve: approve ? 'true' : undefined,
  now: now ? 'true' : undefined,
})

/** What takes its time to load, loaded while the gateway answers. */
const loadTools = () => import('./push-tools.ts')

/** The number and the floor of an app's last release; zeros where there is none. */
export async function fetchKnown(cli: Cli, app: string): Promise<Known> {
  const none = (error: unknown): null => {
    if (error instanceof HyphaError && error.code === 'not-found') return null
    throw error
  }
  const before = await cli.api.request<AppSummary>('GET', `/v1/apps/${encodeURIComponent(app)}`).catch(none)
  return { latest: before?.latest ?? 0, floor: before?.floor ?? 0 }
}

function nextRelease(
  manifest: Manifest,
  built: readonly BuiltModule[],
  fleet: string,
  { latest }: Known,
  floor: number,
): ReleaseToMake {
  const modules = built.map(({ name, component, manifest: { spec } }) => ({ name, component, spec }))
  const { name: app, version: label, rollout, follow } = manifest
  return { fleet, app, number: latest + 1, label, createdMs: Date.now(), floor, modules, rollout, follow }
}

/** What is said of a release that waits for signatures. */
export const waitsFor = ({ app, number, signed, threshold }: PushAnswer): string =>
  `${app} ${number}: signed ${signed} of ${threshold}. It runs when another hand has signed: hypha sign ${app}@${number}`

function told(answer: PushAnswer, outcome: Outcome | null, flips: readonly FlipTime[], stages: Stages): string {
  const { app, number, plan } = answer
  const lines = [answer.pending ? waitsFor(answer) : `${app} ${number} is accepted.`]
  if (outcome !== null) {
    const runs = `runs on ${outcome.confirmed.join(', ') || 'no node yet'}`
    lines[0] = inLocalTime(`${app} ${number} ${outcome.waitsFor ?? runs}.`)
    if (outcome.offline.length > 0) lines.push(`Away, and to follow once back: ${outcome.offline.join(', ')}.`)
  }
  const spread = flippedLine(flips)
  if (spread !== null) lines.push(spread)
  lines.push(...travelLines(answer.travels))
  if (!plan.complete) lines.push(`Not everything has a place: see hypha why MODULE --app ${app}.`)
  const { total, ...rest } = stages.timings()
  const each = Object.entries(rest).map(([name, ms]) => `${name} ${Math.round(ms)}`)
  return [...lines, `${Math.round(total)} ms: ${each.join(', ')}`].join('\n')
}

type Timings = Record<string, number> & { total: number }

/** How long each stage took, in milliseconds. Stages may overlap: the key is opened while it builds. */
class Stages {
  // From the start of the process to here: Node, and what the command needs.
  readonly #timings: Record<string, number> = { start: performance.now() }

  /** Begins a stage; what it answers ends it. */
  begin(stage: string): () => void {
    const begun = performance.now()
    return () => {
      this.#timings[stage] = performance.now() - begun
    }
  }

  async measure<T>(stage: string, run: () => Promise<T>): Promise<T> {
    const end = this.begin(stage)
    try {
      return await run()
    } finally {
      end()
    }
  }

  measureNow<T>(stage: string, run: () => T): T {
    const end = this.begin(stage)
    const result = run()
    end()
    return result
  }

  timings(): Timings {
    const rounded = Object.entries(this.#timings).map(([name, ms]) => [name, Math.round(ms * 10) / 10] as const)
    return { ...Object.fromEntries(rounded), total: Math.round(performance.now() * 10) / 10 }
  }
}
