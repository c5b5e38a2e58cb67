import Type, { type Static } from 'typebox'
import { Id, nullable, Time } from './common.ts'

export const UpstreamView = Type.Object({
  fleet: Id,
  site: Type.String({ description: 'The name that this gateway has there' }),
  host: Type.String(),
  port: Type.Integer(),
  node: Type.String({ description: 'The node of this fleet that the upstream runs' }),
  joinedAt: Time,
  online: Type.Boolean(),
  problem: nullable(Type.String({ description: 'Why there is no uplink' })),
  waiting: Type.Integer({ description: 'Samples, events and log lines that are yet to be forwarded' }),
  streams: Type.Integer({ description: 'Connections that go through the uplink' }),
})
export type UpstreamView = Static<typeof UpstreamView>

export const UpstreamAnswer = Type.Object({ upstream: nullable(UpstreamView) })
export type UpstreamAnswer = Static<typeof UpstreamAnswer>

export const UpstreamRequest = Type.Object({
  url: Type.String({ maxLength: 1_024, description: 'From `hypha site invite` at the upstream' }),
  node: Type.Optional(Id),
})
export type UpstreamRequest = Static<typeof UpstreamRequest>

export const UpstreamLeft = Type.Object({
  told: Type.Boolean({ description: 'Whether the upstream was there to hear it' }),
})
export type UpstreamLeft = Static<typeof UpstreamLeft>

export const SiteView = Type.Object({
  name: Id,
  createdAt: Time,
  joinedAt: nullable(Time),
  certificateExpiresAt: nullable(Time),
  revokedAt: nullable(Time),
  leftAt: nullable(Time),
  memoryBytes: Type.Integer({ description: 'What the agent that runs for it may give to modules' }),
  online: Type.Boolean(),
  agent: Type.Boolean({ description: 'Whether an agent runs for it here' }),
  streams: Type.Integer({ description: 'Connections that go through its uplink' }),
  rows: Type.Integer({ description: "The number of the last row of the site's that is stored here" }),
  forwardedAt: nullable(Time),
})
export type SiteView = Static<typeof SiteView>

export const SiteInviteRequest = Type.Object({
  site: Id,
  memoryBytes: Type.Optional(Type.Integer({ minimum: 1_048_576, maximum: 2 ** 40 })),
  hours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 24 * 366 })),
  replace: Type.Optional(
    Type.Boolean({ description: 'For a site that is known: whoever joins goes on with its history' }),
  ),
})
export type SiteInviteRequest = Static<typeof SiteInviteRequest>

export const SiteInviteMade = Type.Object({
  url: Type.String({ description: 'For `hypha join-upstream`; it is shown only here' }),
  site: Id,
  memoryBytes: Type.Integer(),
  expiresAt: Time,
})
export type SiteInviteMade = Static<typeof SiteInviteMade>
