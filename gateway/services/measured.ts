import type { LinkView } from '../admin/api/schemas/links.ts'
import type { MeasuredTraffic } from '../plan.ts'
import type { MetaStore } from '../store/meta.ts'

/** What an app is placed by, as it was counted. */
interface Kept {
  readonly at: number
  /** Of the release whose links were counted. */
  readonly digest: string
  readonly traffic: readonly MeasuredTraffic[]
}

const keyOf = (app: string): string => `measured traffic of ${app}`

/** The traffic by which an app's release is placed; null where that is by its hints. */
export function keptTraffic(meta: Pick<MetaStore, 'get'>, app: string, digest: string): Kept | null {
  const json = meta.get(keyOf(app))
  if (typeof json !== 'string') return null
  const kept = JSON.parse(json) as Kept
  return kept.digest === digest ? kept : null
}

export const keepTraffic = (meta: Pick<MetaStore, 'put'>, app: string, kept: Kept): void =>
  meta.put(keyOf(app), JSON.stringify(kept))

export const forgetTraffic = (meta: Pick<MetaStore, 'remove'>, app: string): void => meta.remove(keyOf(app))

/** What the instances of two modules say of their links, taken together. */
export function trafficOf(views: readonly LinkView[]): MeasuredTraffic[] {
  const links = Map.groupBy(views, ({ module, callee, interface: name }) => `${module} ${callee} ${name}`)
  return [...links.values()].map((same) => {
    const { module: caller, callee, interface: name } = same[0]!
    const bytesOf = ({ callsPerS, calls, bytesOut, bytesIn }: LinkView) =>
      calls === 0 ? 0 : (callsPerS * (bytesOut + bytesIn)) / calls
    return {
      caller,
      callee,
      interface: name,
      callsPerS: same.reduce((sum, { callsPerS }) => sum + callsPerS, 0),
      bytesPerS: same.reduce((sum, view) => sum + bytesOf(view), 0),
    }
  })
}
