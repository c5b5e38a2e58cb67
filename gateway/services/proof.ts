import { toHex } from '@hypha/core/bytes/text.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import type { EventRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { epochFloorKey } from './workshop.ts'

/** What a gateway that was restored from a backup learns of a node's proof. */
export interface Learned {
  readonly events: readonly EventRecord[]
  /** Digests of releases that are here, and that a later word of this gateway had put in the place of those that the plans in force have. */
  readonly adopted: readonly string[]
}

interface Context {
  readonly store: Store
  /** ms since 1970. */
  readonly now: number
}

/**
 * Takes in a directive that a node has proven to hold: epochs that were used are not used again; a section of a release that isn't here is carried over as it is; a release that is
 * here, and was chosen later than the last choice that this database knows, is what is to run. Call it within a transaction.
 */
export function learn({ node, sections }: Directive, context: Context): Learned {
  const events: EventRecord[] = []
  const adopted: string[] = []
  for (const section of sections) {
    const { epochs, apps } = context.store
    const { chosen } = epochs.of(section.app)
    const provenMs = section.chosenMs ?? 0
    epochs.raise(section.app, { floor: section.epoch })
    // What is only prepared is nobody's choice of what runs.
    if (section.phase === 'prepare') continue
    epochs.uncarry(section.app, node)
    if (provenMs <= chosen || wasRemoved(section, context.store)) continue
    const release = toHex(section.release)
    const known = apps.releaseByDigest(release)
    if (known === null || known.pending) events.push(carry(node, section, context))
    else if (apps.latestPlan(section.app)?.release !== release) {
      adopted.push(release)
      epochs.raise(section.app, { chosen: provenMs })
      const text = `${node} proves that ${section.app} was put on release ${known.number} after the backup that this gateway was restored from: that is what is to run`
      events.push(event(node, section.app, 'release-adopted', text, context))
    }
  }
  return { events, adopted }
}

/** An app that is not here because an operator has removed it. */
const wasRemoved = ({ app, epoch }: Section, { apps, meta }: Store): boolean =>
  !apps.has(app) && epoch <= Number(meta.get(epochFloorKey) ?? 0)

function carry(node: string, { app, release, chosenMs }: Section, context: Context): EventRecord {
  const { store, now } = context
  store.epochs.carry({ node, app, release: toHex(release), chosen: chosenMs ?? 0, at: now })
  return event(node, app, 'release-unknown', unknownText([node], app, store), context)
}

/** What an operator is told as long as nodes run what this gateway doesn't know. */
export function unknownText(nodes: readonly string[], app: string, { apps }: Pick<Store, 'apps'>): string {
  const run = nodes.length === 1 ? 'runs' : 'run'
  const current = apps.latestPlan(app)?.release
  const number = current === undefined ? undefined : apps.releaseByDigest(current)?.number
  const or = number === undefined ? `hypha app rm ${app} to remove it` : `hypha rollback ${app} to go on with ${number}`
  return `${nodes.join(', ')} ${run} a release of ${app} that this gateway doesn't know: push it again, or ${or}`
}

function event(node: string, app: string, code: string, text: string, { store, now }: Context): EventRecord {
  return store.events.add({ at: now, node, app, module: null, home: null, code, text })
}
