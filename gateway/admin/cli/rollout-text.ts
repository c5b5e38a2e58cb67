import type { RolloutShown } from '../../distribute/rollout-view.ts'
import { inLocalTime, relativeTime, terminalWidth, timestamp, wrap } from './table.ts'

const maxHistory = 8

/** A rollout for people: where it is, what it waits for, and what happened. Fits 80 columns. */
export function describePhases(shown: RolloutShown, width = Math.min(terminalWidth(), 100)): string {
  const { id, app, release, from, kind, state, waitsFor, why, untilMs, waves, history } = shown
  const what = kind === 'rollback' ? 'back to release' : 'release'
  const lines = [
    ...wrap(`Rollout ${id} of ${app}: ${what} ${release}${from === null ? '' : ` after ${from}`}, ${state}`, width),
    ...waves.map((nodes, index) => waveLine(shown, nodes, index)).flatMap((line) => indented(line, width)),
  ]
  if (waitsFor !== null) lines.push(...wrap(`It ${inLocalTime(waitsFor)}.`, width))
  if (untilMs !== null) lines.push(...wrap(`It ends by itself ${relativeTime(untilMs)} at the latest.`, width))
  if (why !== null) lines.push(...wrap(`It ended: ${inLocalTime(why)}.`, width))
  const told = history.slice(-maxHistory)
  if (told.length < history.length) lines.push(`  … ${history.length - told.length} earlier lines: --json has them`)
  lines.push(...told.flatMap(({ atMs, text }) => indented(`${timestamp(atMs)}  ${text}`, width)))
  return lines.join('\n')
}

function waveLine({ committed, wave, state }: RolloutShown, nodes: readonly string[], index: number): string {
  const how = index <= committed ? 'committed' : index === wave ? state : 'later'
  const names = nodes.length <= 5 ? nodes.join(', ') : `${nodes.slice(0, 4).join(', ')} and ${nodes.length - 4} more`
  return `wave ${index + 1}  ${how}: ${names}`
}

const indented = (line: string, width: number): string[] =>
  wrap(line, width - 4).map((part, index) => `${index === 0 ? '  ' : '    '}${part}`)
