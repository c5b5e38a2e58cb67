/** What is said of how far apart nodes have flipped: the part of a receipt that it needs. Milliseconds. */
export interface FlipTime {
  readonly wave: number
  readonly instantMs: number
  readonly flippedMs: number
  /** Infinity where nothing bounds it. */
  readonly errorMs: number
  /** Null where the agent ended before it had written down when it flipped. */
  readonly pauseMs: number | null
  readonly late: boolean
}

/** Nodes that were to flip at one instant, and how far apart they did. */
interface Spread {
  readonly wave: number
  readonly nodes: number
  readonly withinMs: number
  /** The worst of their clocks. */
  readonly errorMs: number
}

/** Of each instant, the earliest first; who was late, or ended in the middle of it, was not to flip at once with the others. */
export function spreads(times: readonly FlipTime[]): Spread[] {
  const exact = times.filter(({ late, pauseMs }) => !late && pauseMs !== null)
  return [...Map.groupBy(exact, ({ instantMs }) => instantMs)]
    .sort(([a], [b]) => a - b)
    .map(([, nodes]) => ({
      wave: nodes[0]!.wave,
      nodes: nodes.length,
      withinMs: distance(nodes),
      errorMs: Math.max(...nodes.map(({ errorMs }) => errorMs)),
    }))
}

/** As whole sentences for people, a line each. */
export function spreadLines(times: readonly FlipTime[]): string[] {
  const lines = spreads(times).map(({ wave, nodes, withinMs, errorMs }) => {
    const who = `${nodes} node${nodes === 1 ? '' : 's'}`
    return `Wave ${wave + 1}: ${who} within ${withinMs.toFixed(1)} ms, each clock known to ± ${errorMs.toFixed(1)} ms.`
  })
  const late = times.filter((each) => each.late)
  if (late.length > 0) {
    lines.push(`Late: ${late.length}, which flipped when they heard of it, within ${distance(late).toFixed(1)} ms.`)
  }
  const cut = times.filter(({ late: wasLate, pauseMs }) => !wasLate && pauseMs === null).length
  if (cut > 0) lines.push(`Cut short: ${cut}, whose agent ended at the flip and went on with the new release.`)
  return lines
}

/** For who has just pushed; null where there is nothing to compare. */
export function flippedLine(times: readonly FlipTime[]): string | null {
  const [first, ...more] = spreads(times)
  if (first === undefined || times.length < 2) return null
  if (more.length > 0 || first.nodes < times.length) return spreadLines(times).join('\n')
  const { nodes, withinMs, errorMs } = first
  return `${nodes} nodes flipped within ${withinMs.toFixed(1)} ms, each clock known to ± ${errorMs.toFixed(1)} ms.`
}

function distance(times: readonly FlipTime[]): number {
  const all = times.map(({ flippedMs }) => flippedMs)
  return Math.max(...all) - Math.min(...all)
}
