import Type, { type Static } from 'typebox'
import { Digest, Home, Id, nullable, Time } from './common.ts'
import { InstanceView } from './nodes.ts'
import { PlanAnswer } from './plan.ts'

export const AppSummary = Type.Object({
  name: Id,
  createdAt: Time,
  release: nullable(Type.Integer({ description: 'Number of the release that is to run' })),
  label: Type.String(),
  latest: Type.Integer({ description: 'Number of the newest release, also of one that waits for signatures' }),
  pending: nullable(Type.Integer({ description: 'Number of the release that waits for signatures' })),
  floor: Type.Integer({ description: 'No release with a lower number may run' }),
  epoch: Type.Integer(),
  complete: Type.Boolean({ description: 'Everything has a place' }),
  instances: Type.Integer(),
  running: Type.Integer({ description: 'Instances that their nodes report as running' }),
})
export type AppSummary = Static<typeof AppSummary>

export const EscalationView = Type.Object({
  module: Id,
  home: Home,
  node: Type.String({ description: 'Where it may not be for now' }),
  cause: Type.String({ description: 'memory, deadline, quota; or battery, free-memory, cpu of the node' }),
  text: Type.String(),
  since: Time,
  until: Type.Number({ description: 'It stays away at least until then' }),
  times: Type.Integer({ description: 'How often it had to go in a row' }),
  now: nullable(Id),
  despite: nullable(Type.String({ description: 'Why it is where it may not be' })),
})
export type EscalationView = Static<typeof EscalationView>

export const ComeHome = Type.Object(
  { module: Id, home: Type.Optional(Type.String({ description: 'The device whose instance it is; without it all' })) },
  { additionalProperties: false },
)
export type ComeHome = Static<typeof ComeHome>

export const AppDetail = Type.Object({
  ...AppSummary.properties,
  where: Type.Array(
    Type.Object({
      ...InstanceView.properties,
      node: Id,
      scope: Type.Enum(['device', 'site', 'fleet']),
      online: Type.Boolean(),
      note: Type.Optional(Type.String({ description: 'What it waits for, in a sentence' })),
    }),
  ),
  escalations: Type.Array(EscalationView, { description: 'Instances that may not be on a node for now' }),
})
export type AppDetail = Static<typeof AppDetail>

const signed = {
  pending: Type.Boolean({ description: 'It waits for signatures, and runs nowhere before' }),
  signed: Type.Integer({ description: 'Keys of the release role that have signed it' }),
  threshold: Type.Integer({ description: 'How many must' }),
  signedBy: Type.Array(Type.String(), { description: 'Ids of those keys' }),
}

export const ReleaseSummary = Type.Object({
  app: Id,
  number: Type.Integer(),
  label: Type.String(),
  digest: Digest,
  createdAt: Time,
  current: Type.Boolean({ description: 'It is the one that is to run' }),
  ...signed,
})
export type ReleaseSummary = Static<typeof ReleaseSummary>

export const ReleaseDetail = Type.Object({
  ...ReleaseSummary.properties,
  floor: Type.Integer(),
  modules: Type.Array(
    Type.Object({
      name: Id,
      component: Type.Object({ digest: Digest, size: Type.Integer() }),
      core: nullable(Type.Object({ digest: Digest, size: Type.Integer() })),
      imports: Type.Array(Type.String()),
      exports: Type.Array(Type.String()),
      memoryBytes: Type.Integer({ description: 'What one instance may have' }),
      features: Type.Array(Type.String()),
      timerMs: nullable(Type.Integer()),
      subscribe: Type.Array(Type.String()),
      publish: Type.Array(Type.String()),
    }),
  ),
})
export type ReleaseDetail = Static<typeof ReleaseDetail>

export const ReleaseEnvelope = Type.Object({
  app: Id,
  number: Type.Integer(),
  digest: Digest,
  current: Type.Boolean({ description: 'It is the one that is to run' }),
  ...signed,
  envelope: Type.String({ description: 'The signed release (COSE_Sign), base64' }),
  role: Type.Object({ threshold: Type.Integer(), keys: Type.Array(Type.String()) }),
  running: nullable(Type.Integer({ description: 'Number of the release that is to run now' })),
})
export type ReleaseEnvelope = Static<typeof ReleaseEnvelope>

const Travel = Type.Object({
  module: Type.String({ description: 'Or the file of a built-in app' }),
  bytes: Type.Integer({ description: 'Of the content' }),
  encoding: Type.Enum(['identity', 'brotli', 'patch']),
  sent: Type.Integer({ description: 'Bytes that each of the nodes is sent' }),
  nodes: Type.Integer(),
})
export type Travel = Static<typeof Travel>

export const PushAnswer = Type.Object({
  app: Id,
  number: Type.Integer(),
  digest: Digest,
  epoch: Type.Integer(),
  plan: PlanAnswer,
  travels: Type.Array(Travel, { description: 'How it comes to the nodes that are told of it by now' }),
  ...signed,
})
export type PushAnswer = Static<typeof PushAnswer>

export const RolloutView = Type.Object({
  app: Id,
  release: Type.Integer(),
  epoch: Type.Integer({ description: 'The highest epoch that a node is to run; 0 where none is' }),
  phases: nullable(
    Type.Object({
      release: Type.Integer({ description: 'What is brought to the fleet in two phases' }),
      state: Type.Enum([
        'approval',
        'window',
        'preparing',
        'committed',
        'soaking',
        'paused',
        'restoring',
        'done',
        'aborted',
        'rolled-back',
        'superseded',
      ]),
      waitsFor: nullable(Type.String()),
      why: nullable(Type.String({ description: 'How it ended' })),
    }),
  ),
  done: Type.Boolean({ description: 'Every node that is concerned reports that it runs what it should' }),
  nodes: Type.Array(
    Type.Object({
      node: Id,
      online: Type.Boolean(),
      epoch: Type.Integer({ description: 'The epoch that it is to run; 0 where the app is to go' }),
      status: Type.Enum([
        'waiting',
        'receiving',
        'preparing',
        'prepared',
        'committed',
        'not-flipped',
        'trial',
        'confirmed',
        'reverted',
        'refused',
        'removing',
      ]),
      bytes: Type.Integer({ description: 'What the node holds of the release, durably' }),
      ofBytes: Type.Integer(),
      code: nullable(Type.String()),
      message: nullable(Type.String()),
      reportedAt: nullable(Time),
      waitsFor: nullable(Type.String({ description: 'What has to happen before it is done; null when it is' })),
    }),
  ),
})
export type RolloutView = Static<typeof RolloutView>

export const WhyAnswer = Type.Object({
  app: Id,
  module: Id,
  release: Type.Integer(),
  sentences: Type.Array(Type.String()),
})
export type WhyAnswer = Static<typeof WhyAnswer>

const configKey = Type.String({ minLength: 1, maxLength: 128 })

export const ConfigEntry = Type.Object({
  app: Id,
  module: nullable(Id),
  node: nullable(Id),
  key: configKey,
  value: nullable(Type.String({ description: 'null for a secret: it is never shown' })),
  secret: Type.Boolean(),
})
export type ConfigEntry = Static<typeof ConfigEntry>

export const ConfigChange = Type.Object({
  module: Type.Optional(nullable(Id)),
  node: Type.Optional(nullable(Id)),
  value: Type.String({ maxLength: 4_096 }),
  secret: Type.Optional(Type.Boolean()),
})
export type ConfigChange = Static<typeof ConfigChange>

export const ConfigWhere = Type.Object({ module: Type.Optional(Id), node: Type.Optional(Id) })
export type ConfigWhere = Static<typeof ConfigWhere>
