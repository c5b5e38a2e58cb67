import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { bareName } from '@hypha/core/wasm/versions.ts'

/** What is built and never called, or asked for and not there to be called: nothing is wrong with such a release, and hardly anybody means it. A sentence for each. */
export const idleDrives = ({ modules }: Pick<Release, 'modules'>): string[] => modules.flatMap(idleIn)

function idleIn({ name, world, spec }: ReleaseModule): string[] {
  const has = (list: typeof world.exports, id: string): boolean => list.some((each) => bareName(each.name) === id)
  const ticks = has(world.exports, 'hypha:module/timer')
  const hears = has(world.exports, 'hypha:module/inbox')
  const tells = has(world.imports, 'hypha:host/messages')
  return [
    ...(ticks && spec.timerMs === null
      ? [`${name} has a tick, and hypha.toml no timer for it: it is never called`]
      : []),
    ...(!ticks && spec.timerMs !== null ? [`${name} has a timer in hypha.toml, and no tick that it could call`] : []),
    ...(hears && spec.subscribe.length === 0
      ? [`${name} has a deliver, and hypha.toml no subscribe for it: it is never called`]
      : []),
    ...(!hears && spec.subscribe.length > 0
      ? [`${name} subscribes in hypha.toml, and has no deliver to hear with`]
      : []),
    ...(tells && spec.publish.length === 0
      ? [`${name} imports hypha:host/messages, and hypha.toml lets it publish nothing`]
      : []),
  ]
}
