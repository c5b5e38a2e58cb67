import { toHex } from '@hypha/core/bytes/text.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import type { NodeState } from '@hypha/core/wire/messages/state.ts'
import type { Bases } from '../distribute/transfers.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { Store } from '../store/store.ts'
import type { Releases } from './releases.ts'
import { reportedBy } from './reported.ts'

/** Why a node says that a patch came to nothing: it is told of another way. [P 7.7] */
export const onlyOfPatches: ReadonlySet<string> = new Set([
  'patch-base-missing',
  'patch-not-applied',
  'delta-malformed',
  'delta-base-wrong',
  'delta-too-large',
])

/** What may be said of a whole content, too. */
const alsoOfPatches: ReadonlySet<string> = new Set(['content-mismatch', 'bytes-too-long'])

/** Releases of an app whose modules are looked for on nodes, and how many of them a content may be a patch of. */
const olderReleases = 16
const maxBases = 3

/** Which nodes have refused what may have come as a patch. Kept in memory: with each connection a node says again how it is. */
export class PatchRefusals {
  readonly #epochs = new Map<string, ReadonlyMap<string, number>>()

  /** The epochs that the node refuses, by app. */
  of(node: string): ReadonlyMap<string, number> {
    return this.#epochs.get(node) ?? new Map()
  }

  /** What a node says; `act` is told where it refuses what it didn't before, and answers whether that was taken up. */
  hear(node: string, state: NodeState, act: () => boolean): void {
    const refused = new Map<string, number>()
    for (const { app, epoch, status, code, prepare } of state.sections) {
      for (const part of [{ epoch, status, code }, ...(prepare === null ? [] : [prepare])]) {
        if (
          part.status === 'refused' &&
          part.code !== null &&
          (onlyOfPatches.has(part.code) || alsoOfPatches.has(part.code))
        )
          refused.set(app, part.epoch)
      }
    }
    const before = this.of(node)
    if ([...refused].some(([app, epoch]) => before.get(app) !== epoch) && !act()) return
    if (refused.size === 0) this.#epochs.delete(node)
    else this.#epochs.set(node, refused)
  }

  forget(node: string): void {
    this.#epochs.delete(node)
  }
}

const nothing: ReadonlySet<string> = new Set()

/** The contents that a node says it holds, by digest in hex. A node that has refused a patch is taken to hold none: it is sent all of that whole. */
export function holdingsOf(
  records: readonly NodeRecord[],
  refusals: PatchRefusals,
): (node: string) => ReadonlySet<string> {
  const byId = new Map(records.map((record) => [record.id, record]))
  const read = new Map<string, ReadonlySet<string>>()
  return (node) => {
    const known = read.get(node)
    if (known !== undefined) return known
    const record = byId.get(node)
    const reported = record === undefined || refusals.of(node).size > 0 ? null : reportedBy(record)
    const held = reported === null ? nothing : new Set(reported.contents.map(toHex))
    read.set(node, held)
    return held
  }
}

/** What each of a release's contents may be a patch of: the same module of the release that is to run, and of older ones that nodes still hold. */
export function basesOf(made: Release, { store, releases }: { store: Store; releases: Releases }): Bases {
  const current = store.apps.latestPlan(made.app)?.release
  const older = store.apps
    .releases(made.app)
    .filter(({ digest }) => digest !== current)
    .slice(0, olderReleases)
  const held = older.length === 0 ? nothing : heldByAny(store)
  const bases = new Map<string, string[]>()
  const add = (from: Release, isHere: (digest: string) => boolean): void => {
    const before = travellingOf(from)
    for (const [part, content] of travellingOf(made)) {
      const base = before.get(part)
      const known = bases.get(content) ?? []
      if (base === undefined || base === content || known.includes(base)) continue
      if (isHere(base) && known.length < maxBases) bases.set(content, [...known, base])
    }
  }
  const running = current === undefined ? null : releases.byDigest(current)
  if (running !== null) add(running.release, () => true)
  for (const { digest } of older) {
    const found = releases.byDigest(digest)
    if (found !== null) add(found.release, (base) => held.has(base))
  }
  return bases
}

const heldByAny = (store: Store): ReadonlySet<string> =>
  new Set(store.nodes.list().flatMap((record) => (reportedBy(record)?.contents ?? []).map(toHex)))

/** The artifacts of a release that nodes are sent, by what they are of: of a module the core form, where it has one. */
function travellingOf({ modules, files }: Release): Map<string, string> {
  return new Map([
    ...modules.map(({ name, core, component }) => [`module ${name}`, toHex((core ?? component).digest)] as const),
    ...(files ?? []).map(({ name, arch, artifact }) => [`file ${name} ${arch}`, toHex(artifact.digest)] as const),
  ])
}
