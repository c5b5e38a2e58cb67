import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'

/** What lists them. */
const lists = {
  app: 'hypha apps',
  client: 'hypha client list',
  escalation: 'hypha app APP',
  invitation: 'hypha invites',
  module: 'hypha app APP',
  node: 'hypha nodes',
  release: 'hypha releases APP',
  rollout: 'hypha rollout list APP',
  setting: 'hypha config APP',
  site: 'hypha sites',
  token: 'hypha token list',
} as const

/** `known` is what there is: the one that was probably meant is proposed. */
export function notFound(
  what: keyof typeof lists,
  name: string | number,
  known: readonly { readonly id: string }[] = [],
): HyphaError {
  const meant = nearest(
    `${name}`,
    known.map(({ id }) => id),
  )
  return new HyphaError('not-found', `There is no ${what} ${name}`, {
    where: `${name}`,
    mend: `${meant === null ? '' : `Did you mean ${meant}? `}List what there is: ${lists[what]}.`,
  })
}
