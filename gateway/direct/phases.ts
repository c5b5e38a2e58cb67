import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import { type DirectApp, type DirectInput, type DirectNode, type DirectRollout, isResting } from './input.ts'
import { draftSection, finishSection, instancesOn, relinked, says } from './section.ts'

/** What a node was told last to run of an app: a section to prepare whose commit was given is one to run. Undefined where it was told nothing. */
export function toRun(last: Directive | null, app: Pick<DirectApp, 'plan' | 'committed'>): Section | undefined {
  const own = last?.sections.filter((section) => section.app === app.plan.app) ?? []
  const prepared = own.find(({ phase }) => phase === 'prepare')
  if (prepared !== undefined && isCommitted(prepared, app.committed ?? null)) return finalised(prepared)
  return own.find(({ phase }) => phase === 'run')
}

const isCommitted = ({ epoch, wave }: Section, committed: DirectApp['committed']): boolean =>
  committed != null && epoch === committed.epoch && (wave ?? 0) <= committed.wave

/** As it was prepared, word for word: the node knows by that that it runs it already, or is to at the instant. [P 10.7] */
const finalised = (prepared: Section): Section => ({ ...prepared, phase: 'run', wave: null })

/**
 * The sections of a node in a wave. Nothing is touched of what runs until its wave's commit was given and its instant has passed; nor is what is prepared, once it was told, for a commit
 * may be on its way. [P 10.1, P 10.7]
 */
export function rolloutSections(
  node: DirectNode,
  wave: number,
  app: DirectApp & { readonly rollout: DirectRollout },
  input: DirectInput,
): Section[] {
  const { rollout } = app
  if (wave < rollout.committed || (wave === rollout.committed && rollout.settled)) return forGood(node, app, input)
  const flips = wave === rollout.committed
  const runs = flips || rollout.kept?.has(node.id) ? told(node, app, 'run') : toRun(node.last, app)
  const base = runs === undefined ? [] : [runs]
  if (isResting(rollout) && !rollout.kept?.has(node.id)) return revised(runs, app, node, app, input)
  if (node.late && runs !== undefined) return base
  if (!flips && wave !== rollout.preparing) return base
  const before = told(node, app, 'prepare')
  if (before?.epoch === rollout.epoch) return [...base, before]
  const prepared = nextSection(node, app, input)
  return prepared === null ? base : [...base, { ...prepared, phase: 'prepare', wave }]
}

function forGood(node: DirectNode, app: DirectApp & { rollout: DirectRollout }, input: DirectInput): Section[] {
  const { rollout } = app
  const runs = toRun(node.last, app)
  const flipped = runs !== undefined && runs.epoch >= rollout.since && bytesEqual(runs.release, rollout.next.digest)
  if (flipped) return isResting(rollout) ? revised(runs, rollout.next, node, app, input) : [runs]
  const made = nextSection(node, app, input)
  return made === null ? [] : [made]
}

/** What a node runs, with what has come to it from a node that is lost, and without what it was itself given up with; else word for word. [P 12.5] */
function revised(
  runs: Section | undefined,
  wanted: DirectRollout['next'],
  node: DirectNode,
  { epoch }: DirectApp,
  input: DirectInput,
): Section[] {
  const instances = instancesOn(node.id, wanted)
  if (instances.length === 0) return []
  const draft = draftSection(wanted, instances, node, input)
  const names = ({ instances }: Pick<Section, 'instances'>) =>
    JSON.stringify(instances.map(({ module, home }) => [module, home]).sort())
  if (runs === undefined || names(runs) !== names(draft)) return [finishSection(draft, epoch + 1, node.id, input)]
  return [says(runs, draft) ? relinked(runs, draft) : runs]
}

/** Null where the node is to have nothing of the new release. */
function nextSection(node: DirectNode, { rollout }: { rollout: DirectRollout }, input: DirectInput): Section | null {
  const instances = instancesOn(node.id, rollout.next)
  if (instances.length === 0) return null
  return finishSection(draftSection(rollout.next, instances, node, input), rollout.epoch, node.id, input)
}

const told = ({ last }: DirectNode, { plan }: DirectApp, phase: Section['phase']): Section | undefined =>
  last?.sections.find((section) => section.app === plan.app && section.phase === phase)
