import Type, { type Static } from 'typebox'
import { Digest, Id, nullable, Time } from './common.ts'

/** What each may do stands in permissions.ts. */
export const roles = ['viewer', 'publisher', 'operator', 'admin'] as const
export type Role = (typeof roles)[number]

const AppPattern = Type.String({
  pattern: '^([a-z0-9][a-z0-9-]{0,39}|([a-z0-9][a-z0-9-]{0,38})?[*])$',
  description: 'The name of an app, or the beginning of names with a star at its end',
})

export const TokenView = Type.Object({
  name: Id,
  fleet: Id,
  role: Type.Enum([...roles]),
  apps: Type.Array(AppPattern, { description: 'The apps that a publisher may publish; none for other roles' }),
  createdAt: Time,
  expiresAt: nullable(Time),
  lastUsedAt: Type.Union([Time, Type.Null()], { description: 'To the minute' }),
})
export type TokenView = Static<typeof TokenView>

export const TokenRequest = Type.Object({
  name: Id,
  role: Type.Enum([...roles]),
  apps: Type.Optional(Type.Array(AppPattern, { maxItems: 64 })),
  days: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 3_660 })),
})
export type TokenRequest = Static<typeof TokenRequest>

export const TokenMade = Type.Object({ token: Type.String({ description: 'It is shown only here' }), view: TokenView })
export type TokenMade = Static<typeof TokenMade>

const filters = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 32 })

export const ClientView = Type.Object({
  name: Id,
  fingerprint: Digest,
  publish: filters,
  subscribe: filters,
  createdAt: Time,
  expiresAt: Time,
})
export type ClientView = Static<typeof ClientView>

export const ClientRequest = Type.Object({
  name: Id,
  publish: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      maxItems: 32,
      description: 'Topic filters below the fleet: `m/greenhouse/#`, `v/#`',
    }),
  ),
  subscribe: Type.Optional(filters),
  days: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_660 })),
})
export type ClientRequest = Static<typeof ClientRequest>

export const ClientMade = Type.Object({
  view: ClientView,
  certificate: Type.String({ description: 'PEM' }),
  key: Type.String({ description: 'PEM; it is shown only here' }),
  ca: Type.String({ description: 'PEM' }),
  broker: Type.Object({ host: Type.String(), port: Type.Integer() }),
})
export type ClientMade = Static<typeof ClientMade>

export const Status = Type.Object({
  fleet: Id,
  version: Type.String(),
  startedAt: Time,
  now: Time,
  nodes: Type.Object({ total: Type.Integer(), online: Type.Integer() }),
  apps: Type.Integer(),
  instances: Type.Object({ wanted: Type.Integer(), running: Type.Integer() }),
  api: Type.Object({ host: Type.String(), port: Type.Integer() }),
  broker: Type.Object({ host: Type.String(), port: Type.Integer() }),
  ca: Type.String({ description: "PEM of the gateway's CA, for who speaks to it over TLS" }),
  /** What an operator should look at, in sentences. */
  notices: Type.Array(Type.String()),
})
export type Status = Static<typeof Status>
