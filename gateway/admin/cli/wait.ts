import { setTimeout as delay } from 'node:timers/promises'
import { HyphaError } from '@hypha/core/errors.ts'
import type { RolloutView } from '../api/schemas/apps.ts'
import type { Cli } from './cli.ts'
import { Progress } from './progress.ts'
import { formatBytes } from './table.ts'

type NodeRollout = RolloutView['nodes'][number]

export interface Awaited {
  readonly app: string
  /** The release that is to run. */
  readonly number: number
  /** The epoch that it began with, or a later one. */
  readonly epoch: number
  readonly timeoutMs: number
}

/** What came of a rollout. */
export interface Outcome {
  readonly confirmed: readonly string[]
  /** They are away, and follow once they are back. */
  readonly offline: readonly string[]
}

/** Asked often at first: a warm node needs a fraction of a second. */
const pauseMs = (elapsedMs: number): number => (elapsedMs < 2_000 ? 25 : elapsedMs < 10_000 ? 200 : 1_000)

/**
 * Follows a rollout until every node that is there has settled.
 *
 * @throws HyphaError `rollout-failed` where a node refused or reverted it, `rollout-unfinished` where it takes longer or another release came between.
 */
export async function awaitRollout(cli: Cli, awaited: Awaited): Promise<Outcome> {
  const { app, number, epoch, timeoutMs } = awaited
  const progress = new Progress(cli.json)
  const begun = performance.now()
  const told = new Map<string, string>()
  try {
    for (;;) {
      const view = await cli.api.request<RolloutView>('GET', `/v1/apps/${encodeURIComponent(app)}/rollout`)
      const elapsed = performance.now() - begun
      if (view.epoch >= epoch) {
        if (view.release !== number) throw superseded(awaited, view.release)
        for (const node of view.nodes) tell(node, told, progress)
        const pending = view.nodes.filter(({ online, status }) => online && !settled.has(status))
        if (pending.length === 0) return outcomeOf(awaited, view)
        progress.show(summary(view))
      }
      if (elapsed > timeoutMs) throw late(awaited, view)
      await delay(pauseMs(elapsed))
    }
  } finally {
    progress.clear()
  }
}

const settled: ReadonlySet<string> = new Set(['confirmed', 'reverted', 'refused'])

/** A line for each node that has settled. */
function tell(node: NodeRollout, told: Map<string, string>, progress: Progress): void {
  if (told.get(node.node) === node.status) return
  told.set(node.node, node.status)
  if (settled.has(node.status))
    progress.line(`${node.node}  ${node.status}${node.message === null ? '' : `: ${node.message}`}`)
}

function summary({ nodes }: RolloutView): string {
  const done = nodes.filter(({ status }) => settled.has(status)).length
  const busy = nodes.filter(({ online, status }) => online && !settled.has(status))
  const first = busy.slice(0, 3).map(({ node, status, bytes, ofBytes }) => {
    return status === 'receiving'
      ? `${node} receiving ${formatBytes(bytes)} of ${formatBytes(ofBytes)}`
      : `${node} ${status}`
  })
  return `[${done}/${nodes.length}] ${first.join(', ')}${busy.length > 3 ? ` and ${busy.length - 3} more` : ''}`
}

function outcomeOf({ app, number }: Awaited, { nodes }: RolloutView): Outcome {
  const failed = nodes.filter(({ status }) => status === 'reverted' || status === 'refused')
  if (failed.length > 0) {
    const each = failed.map(
      ({ node, status, message, code }) => `${node} ${status} it (${message ?? code ?? 'it gave no reason'})`,
    )
    throw new HyphaError('rollout-failed', `Release ${number} of ${app} does not run everywhere: ${each.join('; ')}`, {
      mend: `See hypha events --app ${app} and hypha logs --app ${app}; hypha rollback ${app} puts all nodes on the release before.`,
    })
  }
  const named = (status: (node: NodeRollout) => boolean): string[] => nodes.filter(status).map(({ node }) => node)
  return {
    confirmed: named(({ status }) => status === 'confirmed'),
    offline: named(({ status }) => status !== 'confirmed'),
  }
}

const superseded = ({ app, number }: Awaited, other: number | null) =>
  new HyphaError(
    'rollout-unfinished',
    `${other === null ? 'No release' : `Release ${other}`} of ${app} took the place of release ${number}`,
    {
      mend: `Follow that one: hypha rollout ${app} --wait.`,
    },
  )

function late({ app, number, timeoutMs }: Awaited, { nodes }: RolloutView): HyphaError {
  const pending = nodes.filter(({ online, status }) => online && !settled.has(status))
  const each = pending.map(({ node, status }) => `${node} is ${status}`).join(', ') || 'the gateway has not begun'
  return new HyphaError(
    'rollout-unfinished',
    `After ${timeoutMs / 1000} s release ${number} of ${app} is not on all nodes: ${each}`,
    {
      mend: `It goes on by itself. Follow it with hypha rollout ${app} --wait.`,
    },
  )
}
