import { logLevels } from '@hypha/core/wire/messages/report.ts'
import Type, { type Static } from 'typebox'
import { Home, Id, nullable, Time } from './common.ts'

const Metric = Type.String({ maxLength: 64 })
const limit = (most: number) => Type.Optional(Type.Integer({ minimum: 1, maximum: most }))
/** Query strings know no null: "site" asks for what belongs to no device, as on `v/…`. */
const HomeQuery = Type.Optional(Type.String({ maxLength: 40, description: '"site" for what belongs to no device' }))

/** What a site has forwarded, in place of what this fleet's own nodes reported. */
const Site = Type.Optional(Id)

export const Value = Type.Object({
  app: Id,
  module: Id,
  home: Home,
  node: Id,
  metric: Metric,
  value: nullable(Type.Number({ description: 'null where the module emitted no number' })),
  at: Time,
})
export type Value = Static<typeof Value>

export const ValueFilter = Type.Object({
  site: Site,
  app: Type.Optional(Id),
  module: Type.Optional(Id),
  home: HomeQuery,
  node: Type.Optional(Id),
  metric: Type.Optional(Metric),
})
export type ValueFilter = Static<typeof ValueFilter>

export const HistoryQuery = Type.Object({
  site: Site,
  app: Id,
  module: Id,
  metric: Metric,
  home: HomeQuery,
  node: Type.Optional(Id),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
  by: Type.Optional(Type.Enum(['sample', 'minute', 'hour'], { description: 'One point for each; samples by default' })),
  limit: limit(100_000),
})
export type HistoryQuery = Static<typeof HistoryQuery>

export const HistoryAnswer = Type.Object({
  points: Type.Array(
    Type.Object({
      at: Time,
      min: nullable(Type.Number()),
      max: nullable(Type.Number()),
      mean: nullable(Type.Number()),
      count: Type.Integer(),
    }),
  ),
  /** Whether points were left out at the end. */
  more: Type.Boolean(),
})
export type HistoryAnswer = Static<typeof HistoryAnswer>

export const LogLine = Type.Object({
  id: Type.Integer(),
  at: Time,
  node: Id,
  app: Id,
  module: Id,
  home: Home,
  level: Type.Enum([...logLevels]),
  text: Type.String(),
})
export type LogLine = Static<typeof LogLine>

const lines = {
  site: Site,
  app: Type.Optional(Id),
  module: Type.Optional(Id),
  node: Type.Optional(Id),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
  limit: limit(10_000),
}

export const LogQuery = Type.Object({ ...lines, level: Type.Optional(Type.Enum([...logLevels])) })
export type LogQuery = Static<typeof LogQuery>

export const EventLine = Type.Object({
  id: Type.Integer(),
  at: Time,
  node: nullable(Id),
  app: nullable(Id),
  module: nullable(Id),
  home: Home,
  code: Type.String(),
  text: Type.String(),
})
export type EventLine = Static<typeof EventLine>

export const EventQuery = Type.Object(lines)
export type EventQuery = Static<typeof EventQuery>

export const AuditEntry = Type.Object({
  id: Type.Integer(),
  at: Time,
  actor: Type.String({ description: 'Who: "local", or the name of a token' }),
  action: Type.String({ description: 'What, such as "node.remove"' }),
  subject: Type.String({ description: 'On what' }),
  details: Type.Unknown(),
})
export type AuditEntry = Static<typeof AuditEntry>

export const AuditQuery = Type.Object({
  before: Type.Optional(Type.Integer({ minimum: 1, description: 'Entries older than the one with this id' })),
  limit: limit(1_000),
})
export type AuditQuery = Static<typeof AuditQuery>

/** An entry with its place in the chain. */
export const AuditLink = Type.Object({
  number: Type.Integer({ minimum: 1 }),
  at: Type.Integer(),
  actor: Type.String(),
  action: Type.String(),
  subject: Type.String(),
  details: Type.String({ description: 'The JSON, byte for byte as it was hashed' }),
  hash: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the hash before and this entry' }),
})
export type AuditLink = Static<typeof AuditLink>

export const AuditChainQuery = Type.Object({
  after: Type.Optional(Type.Integer({ minimum: 0, description: 'Entries with higher numbers than this' })),
  limit: limit(1_000),
})
export type AuditChainQuery = Static<typeof AuditChainQuery>
