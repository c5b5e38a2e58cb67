import { HyphaError } from '@hypha/core/errors.ts'
import { type Directive, directive, type Section } from '@hypha/core/trust/directive.ts'
import { filesFor } from '@hypha/core/trust/shape.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import { choosingAgain } from './choose-again.ts'
import type { DirectApp, DirectInput, DirectNode } from './input.ts'
import { rolloutSections, toRun } from './phases.ts'
import { draftSection, finishSection, instancesOn, relinked, resigned, says } from './section.ts'
import { ServedLinks } from './served.ts'

export interface Directed {
  /** Only those that are new, each with the next version of its node. */
  readonly directives: readonly Directive[]
  /** For each app the highest epoch now: one more than before if one of its sections is new. */
  readonly epochs: ReadonlyMap<string, number>
}

/** How long a directive may be accepted by a node that was away; renewed at half of it. */
export const directiveLifetimeMs = 30 * 86_400_000

// As far as a directive's version can say.
const maxVersion = 0xffff_ffff

// The signature and the headers around the payload take less than 512.
const mostBytes = maxDirectiveBytes - 512

/**
 * Turns plans into one directive for each node. A node whose part didn't change gets none: what it has stays in force, with its version and its epochs. Throws
 * `bytes-too-long` where a node is to run more than a directive can say, `directive-versions-spent`.
 */
export function direct(input: DirectInput): Directed {
  const apps = [...input.apps].sort((a, b) => (a.plan.app < b.plan.app ? -1 : 1))
  const epochs = new Map(apps.map(({ plan, epoch }) => [plan.app, epoch]))
  const links = new Map(apps.map((app) => [app.plan.app, new ServedLinks(app)]))
  const directives: Directive[] = []
  for (const node of [...input.nodes].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const sections = node.removed ? [] : sectionsFor(node, apps, links, input)
    for (const { app, epoch } of sections) {
      if (!node.carried?.has(app)) epochs.set(app, Math.max(epochs.get(app)!, epoch))
    }
    if (!isNew(node, sections, input)) continue
    directives.push(checked(nextDirective(node, sections, input)))
  }
  return { directives, epochs }
}

function sectionsFor(
  node: DirectNode,
  apps: readonly DirectApp[],
  links: ReadonlyMap<string, ServedLinks>,
  input: DirectInput,
): Section[] {
  const sections = (node.last?.sections ?? []).filter(({ app }) => node.carried?.has(app))
  for (const app of apps) {
    if (node.carried?.has(app.plan.app)) continue
    const { rollout } = app
    const wave = rollout?.waves.get(node.id)
    if (rollout !== undefined && wave !== undefined) {
      sections.push(...rolloutSections(node, wave, { ...app, rollout }, input))
      continue
    }
    const wanted = rollout !== undefined && rollout.committed >= 0 ? rollout.next : app
    const instances = instancesOn(node.id, wanted)
    if (instances.length === 0 && !isInstalledBy(node, app)) continue
    const before = toRun(node.last, app)
    const draft = draftSection(wanted, instances, node, input)
    // As it was, with its epoch and with the transfers that were chosen then: what runs isn't touched because another node changed.
    const same = before !== undefined && says(before, draft)
    // Signatures that were added are no activation: the same instances go on, under the epoch that they have.
    const again = before === undefined || same ? null : resigned(before, draft, node.id, input)
    sections.push(same ? relinked(before, draft) : (again ?? finishSection(draft, app.epoch + 1, node.id, input)))
  }
  // What runs before what is prepared, as they were sorted in the last one.
  const chosen = sections.map((section) => {
    const served = node.carried?.has(section.app)
      ? section
      : (links.get(section.app)?.bring(section, node.id) ?? section)
    return choosingAgain(served, node, input)
  })
  return chosen.sort((a, b) => (a.app === b.app ? (a.phase > b.phase ? -1 : 1) : a.app < b.app ? -1 : 1))
}

/** A built-in app is placed nowhere: it is for every node that installs its releases by itself, where the release has files for its architecture. */
const isInstalledBy = ({ installs }: DirectNode, { release }: DirectApp): boolean =>
  release.files !== null && installs?.apps.includes(release.app) === true && filesFor(release, installs.arch).length > 0

function isNew(node: DirectNode, sections: readonly Section[], { now, lifetimeMs }: DirectInput): boolean {
  const { last, removed } = node
  if (last === null) return removed || sections.length > 0
  if (node.signerReplaced || (node.held ?? 0) > last.version) return true
  if (last.leave !== removed || last.sections.length !== sections.length) return true
  if (sections.some((section, index) => section !== last.sections[index])) return true
  return now > last.expiresMs - lifetimeMs / 2
}

function nextDirective(node: DirectNode, sections: readonly Section[], input: DirectInput): Directive {
  const { fleet, now, lifetimeMs } = input
  // A thief may have raised the counter out of reach (TUF specification, 5.3.11).
  const before = node.signerReplaced ? 0 : Math.max(node.last?.version ?? 0, node.held ?? 0)
  if (before >= maxVersion) {
    const text = `${node.id} holds directive ${before}, the highest version that there is`
    throw new HyphaError('directive-versions-spent', text, { where: node.id })
  }
  return {
    fleet,
    node: node.id,
    version: before + 1,
    issuedMs: now,
    expiresMs: now + lifetimeMs,
    sections,
    leave: node.removed,
  }
}

function checked(made: Directive): Directive {
  if (fits(made)) return made
  const instances = made.sections.reduce((sum, section) => sum + section.instances.length, 0)
  const callers = made.sections
    .flatMap(({ served }) => served ?? [])
    .reduce((sum, each) => sum + each.callers.length, 0)
  const answers = callers === 0 ? '' : ` and to answer ${callers} callers`
  const text = `${made.node} is to run ${instances} instances${answers}: that is more than its directive can say in ${mostBytes} bytes`
  throw new HyphaError('bytes-too-long', text, {
    where: made.node,
    mend: 'Add a node of its tier, or give the devices more.',
  })
}

function fits(made: Directive): boolean {
  try {
    return directive.encode(made).length <= mostBytes
  } catch (error) {
    // Over the cap of any message.
    if (error instanceof HyphaError && error.code === 'bytes-too-long') return false
    throw error
  }
}
