import type { RolloutView } from '../api/schemas/apps.ts'
import { terminalWidth, wrap } from './table.ts'

const failed: ReadonlySet<RolloutView['nodes'][number]['status']> = new Set(['refused', 'not-flipped', 'reverted'])

/** Which nodes can't come to the release that is on its way, or was last, and why; empty where all can. For below a plan. */
export function prepareText({ phases, nodes }: RolloutView, width = Math.min(terminalWidth(), 120)): string {
  const lines = nodes.flatMap(({ node, status, message, code, waitsFor }) => {
    if (failed.has(status)) return [`${node} is ${status}: ${message ?? code ?? 'it gave no reason'}`]
    // It is waited for, and says what keeps it.
    return status === 'waiting' && message !== null ? [`it ${waitsFor}`] : []
  })
  if (phases !== null && (phases.state === 'aborted' || phases.state === 'rolled-back')) {
    const what = phases.state === 'aborted' ? 'is aborted' : 'is taken back'
    lines.unshift(`release ${phases.release} ${what}: ${phases.why}`)
  }
  if (lines.length === 0) return ''
  const inner = lines.flatMap((line) => wrap(line, width - 4).map((part, at) => `${at === 0 ? '  ' : '    '}${part}`))
  return ['not on every node, because', ...inner].join('\n')
}
