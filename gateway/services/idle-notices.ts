import { toHex } from '@hypha/core/bytes/text.ts'
import type { Store } from '../store/store.ts'
import type { Releases } from './releases.ts'
import { reportedBy } from './reported.ts'

const maxNames = 3

/** Apps of which nothing runs on nodes that gave up a release, or refused it, and have none from before to go on with: nobody else says so where it is an app's first. */
export function idleNotices({ nodes }: Pick<Store, 'nodes'>, releases: Pick<Releases, 'byDigest'>): string[] {
  const idle = nodes
    .list()
    .filter(({ removedAt, revoked }) => removedAt === null && revoked === null)
    .flatMap((node) =>
      (reportedBy(node)?.sections ?? [])
        .filter(({ status, running }) => running === null && (status === 'reverted' || status === 'refused'))
        .map(({ app, release, code, message }) => {
          const number = releases.byDigest(toHex(release))?.number
          return { node: node.id, app, what: number === undefined ? app : `${app} ${number}`, why: message ?? code }
        }),
    )
  return [...Map.groupBy(idle, ({ what }) => what)].map(([what, all]) => {
    const more = all.length - maxNames
    const where = `${all
      .slice(0, maxNames)
      .map(({ node }) => node)
      .join(', ')}${more > 0 ? ` and ${more} more` : ''}`
    const { app, why } = all[0]!
    return `Nothing of ${app} runs on ${where}: ${what} failed there (${why ?? 'it gave no reason'}), and nothing ran before it. Mend it and push again; see hypha rollout ${app}.`
  })
}
