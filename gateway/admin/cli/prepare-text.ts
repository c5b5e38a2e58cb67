import type { RolloutView } from '../api/schemas/apps.ts'
import { terminalWidth, wrap } from './table.ts'

const failed: ReadonlySet<RolloutView['nodes'][number]['status']> = new Set(['refused', 'not-flipped', 'reverted'])

type RolloutNode = RolloutView['nodes'][number]

/** A node that can't come to a release, or not yet, by what keeps it from that. */
export interface Unprepared extends Pick<RolloutNode, 'node' | 'status' | 'code'> {
  /** Its reason, in words. */
  readonly text: string
}

/** Which nodes can't come to the release that is on its way, or was last, and why. */
export const unpreparedOf = ({ nodes }: Pick<RolloutView, 'nodes'>): Unprepared[] =>
  nodes.flatMap(({ node, status, code, message }) => {
    if (failed.has(status)) return [{ node, status, code, text: message ?? code ?? 'it gave no reason' }]
    // It is waited for, and says what keeps it.
    return status === 'waiting' && message !== null ? [{ node, status, code, text: message }] : []
  })

/** The same in words, for below a plan; empty where all can. */
export function prepareText({ phases, nodes }: RolloutView, width = Math.min(terminalWidth(), 120)): string {
  const waits = new Map(nodes.map(({ node, waitsFor }) => [node, waitsFor]))
  const lines = unpreparedOf({ nodes }).map(({ node, status, text }) =>
    failed.has(status) ? `${node} is ${status}: ${text}` : `it ${waits.get(node)}`,
  )
  if (phases !== null && ['aborted', 'restoring', 'rolled-back'].includes(phases.state)) {
    const what = phases.state === 'aborted' ? 'is aborted' : 'is taken back'
    lines.unshift(`release ${phases.release} ${what}: ${phases.why}`)
  }
  if (lines.length === 0) return ''
  const inner = lines.flatMap((line) => wrap(line, width - 4).map((part, at) => `${at === 0 ? '  ' : '    '}${part}`))
  return ['not on every node, because', ...inner].join('\n')
}
