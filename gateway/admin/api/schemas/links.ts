import Type, { type Static } from 'typebox'
import { Home, Id, nullable, Time } from './common.ts'

export const LinkView = Type.Object({
  app: Id,
  module: Id,
  home: Home,
  node: Id,
  interface: Type.String(),
  callee: Id,
  calleeHome: Home,
  calleeNode: Id,
  calls: Type.Integer({ description: 'Since the agent of the caller started' }),
  callsPerS: Type.Number({ description: 'Since it last told of them' }),
  bytesOut: Type.Integer({ description: 'Of all arguments' }),
  bytesIn: Type.Integer({ description: 'Of all results' }),
  failures: Type.Record(Type.String(), Type.Integer(), { description: 'Calls that failed, by the code' }),
  p50Ms: nullable(Type.Number({ description: 'null where nothing was called lately' })),
  p99Ms: nullable(Type.Number()),
  at: Time,
})
export type LinkView = Static<typeof LinkView>

export const LinkFilter = Type.Object({ app: Type.Optional(Id) })
