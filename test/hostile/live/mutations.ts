import { contentMutations } from './mutations/contents.ts'
import { gatewayMutations } from './mutations/gateway.ts'
import type { Mutation } from './mutations/kit.ts'
import { trustMutations } from './mutations/trust.ts'
import { uplinkMutations } from './mutations/uplink.ts'

export const mutations: readonly Mutation[] = [
  ...trustMutations,
  ...contentMutations,
  ...gatewayMutations,
  ...uplinkMutations,
]

const forSuite: readonly string[] = [
  'signature of a release, at the node',
  'node of a directive',
  'what a client may publish',
  'apps of a publisher',
]

/** One of each place where attacks are refused, for the suite; all of them are for `npm run hostile -- --mutate`. */
export const representative: readonly Mutation[] = mutations.filter(({ name }) => forSuite.includes(name))
