import { setTimeout as delay } from 'node:timers/promises'
import { HyphaError } from '@hypha/core/errors.ts'
import { isBuiltIn } from '@hypha/core/wire/ids.ts'
import type { RolloutView } from '../api/schemas/apps.ts'
import type { Cli } from './cli.ts'
import { Progress } from './progress.ts'
import { formatBytes, inLocalTime } from './table.ts'

type NodeRollout = RolloutView['nodes'][number]

export interface Awaited {
  readonly app: string
  /** The release that is to run. */
  readonly number: number
  readonly timeoutMs: number
  /** Called once every node that is there runs the release, on trial at least. */
  readonly onRunning?: () => void
}

/** What came of a rollout. */
export interface Outcome {
  readonly confirmed: readonly string[]
  /** They are away, and follow once they are back. */
  readonly offline: readonly string[]
  /** What the rollout waits for before it goes on without anybody: a yes, or the end of a pause; null where it has come through. */
  readonly waitsFor: string | null
}

/** Asked often at first: a warm node needs a fraction of a second. */
const pauseMs = (elapsedMs: number): number => (elapsedMs < 2_000 ? 25 : elapsedMs < 10_000 ? 200 : 1_000)

/**
 * Follows a rollout until every node that is there has settled.
 *
 * @throws HyphaError `rollout-failed` where a node refused or reverted it, `rollout-unfinished` where it takes longer or another release came between.
 */
export async function awaitRollout(cli: Cli, awaited: Awaited): Promise<Outcome> {
  const { app, number, timeoutMs, onRunning } = awaited
  const progress = new Progress(cli.json)
  const begun = performance.now()
  const told = new Map<string, string>()
  /** A node is away for a moment while it exchanges its own program: who has been there is waited for. */
  const there = new Set<string>()
  let running = false
  let said: string | null = null
  try {
    for (;;) {
      const view = await cli.api.request<RolloutView>('GET', `/v1/apps/${encodeURIComponent(app)}/rollout`)
      const ended = failureOf(awaited, view)
      if (ended !== null) throw ended
      const { phases } = view
      if (view.release !== number) throw superseded(awaited, view.release)
      if (phases?.release === number && (phases.state === 'approval' || phases.state === 'paused')) {
        return { confirmed: [], offline: [], waitsFor: phases.waitsFor }
      }
      if (phases?.release === number && phases.waitsFor !== null && newsOf(phases) !== said) {
        said = newsOf(phases)
        progress.line(inLocalTime(`${app} ${number} is ${phases.state}: it ${phases.waitsFor}`))
      }
      for (const node of view.nodes) tell(node, told, progress)
      for (const { node, online } of view.nodes) if (online) there.add(node)
      const pending = view.nodes.filter((node) => isPending(node, isBuiltIn(app) && there.has(node.node)))
      if (!running && pending.every(({ status }) => status === 'trial')) {
        running = true
        onRunning?.()
      }
      if (pending.length === 0) return outcomeOf(awaited, view)
      const elapsed = performance.now() - begun
      if (elapsed > timeoutMs) throw late(awaited, pending)
      progress.show(summary(view, pending))
      await delay(pauseMs(elapsed))
    }
  } finally {
    progress.clear()
  }
}

/** What is worth a line that stays: another state, or a reason that is a sentence. That one node more has prepared is none. */
const newsOf = ({ state, waitsFor }: NonNullable<RolloutView['phases']>): string =>
  [state, ...(waitsFor ?? '').matchAll(/\([^()]* [^()]*\)/g)].join(' ')

const failures: ReadonlySet<NodeRollout['status']> = new Set(['reverted', 'refused', 'not-flipped'])

const hasFailed = ({ status }: NodeRollout): boolean => failures.has(status)

/** Why the whole of it has ended without the release; null where it hasn't. */
function failureOf({ app, number }: Awaited, { phases }: RolloutView): HyphaError | null {
  if (phases === null || phases.release !== number) return null
  if (phases.state !== 'aborted' && phases.state !== 'restoring' && phases.state !== 'rolled-back') return null
  const what = phases.state === 'aborted' ? 'is aborted' : 'is taken back'
  return new HyphaError('rollout-failed', `The rollout of release ${number} of ${app} ${what}: ${phases.why}`, {
    mend: `See hypha events --app ${app} and hypha logs --app ${app}. Nodes run what they ran before, except where hypha rollout ${app} says otherwise.`,
  })
}

/** Who is away may come back in a year: nobody waits for that. */
const isPending = (node: NodeRollout, returns: boolean): boolean =>
  (node.online || returns) && node.waitsFor !== null && !hasFailed(node)

/** A line for each node that has settled. */
function tell(node: NodeRollout, told: Map<string, string>, progress: Progress): void {
  if (told.get(node.node) === node.status) return
  told.set(node.node, node.status)
  if (hasFailed(node) || node.status === 'confirmed') {
    progress.line(`${node.node}  ${node.status}${node.message === null ? '' : `: ${node.message}`}`)
  }
}

function summary({ nodes }: RolloutView, pending: readonly NodeRollout[]): string {
  const first = pending.slice(0, 3).map(({ node, status, bytes, ofBytes }) => {
    return status === 'receiving'
      ? `${node} receiving ${formatBytes(bytes)} of ${formatBytes(ofBytes)}`
      : `${node} ${status}`
  })
  const rest = pending.length > 3 ? ` and ${pending.length - 3} more` : ''
  return `[${nodes.length - pending.length}/${nodes.length}] ${first.join(', ')}${rest}`
}

function outcomeOf({ app, number }: Awaited, { nodes }: RolloutView): Outcome {
  const failed = nodes.filter(hasFailed)
  if (failed.length > 0) {
    const each = failed.map(
      ({ node, status, message, code }) => `${node} ${status} it (${message ?? code ?? 'it gave no reason'})`,
    )
    throw new HyphaError('rollout-failed', `Release ${number} of ${app} does not run everywhere: ${each.join('; ')}`, {
      mend: `See hypha events --app ${app} and hypha logs --app ${app}; hypha rollback ${app} puts all nodes on the release before.`,
    })
  }
  const names = (chosen: (node: NodeRollout) => boolean): string[] => nodes.filter(chosen).map(({ node }) => node)
  return {
    confirmed: names(({ waitsFor }) => waitsFor === null),
    offline: names(({ waitsFor }) => waitsFor !== null),
    waitsFor: null,
  }
}

const superseded = ({ app, number }: Awaited, other: number) =>
  new HyphaError('rollout-unfinished', `Release ${other} of ${app} took the place of release ${number}`, {
    mend: `Follow that one: hypha rollout ${app} --wait.`,
  })

function late({ app, number, timeoutMs }: Awaited, pending: readonly NodeRollout[]): HyphaError {
  const each = pending.map(({ waitsFor }) => waitsFor).join('; ')
  const text = `After ${timeoutMs / 1000} s release ${number} of ${app} is not on all nodes: it ${each}`
  return new HyphaError('rollout-unfinished', inLocalTime(text), {
    mend: `It goes on by itself. Follow it with hypha rollout ${app} --wait.`,
  })
}
