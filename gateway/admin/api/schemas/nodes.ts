import Type, { type Static } from 'typebox'
import { Digest, Home, Id, Label, nullable, Tier, Time } from './common.ts'

export const NodeSummary = Type.Object({
  id: Id,
  tier: Tier,
  online: Type.Boolean(),
  /** When it last came or went. */
  seenAt: nullable(Time),
  labels: Type.Array(Type.String(), { description: "Set by the operator; the node's own stand in its inventory" }),
  zone: nullable(Type.String()),
  createdAt: Time,
  removedAt: nullable(Time),
  revoked: nullable(Type.Object({ at: Time, reason: nullable(Type.String()) })),
  clonedAt: nullable(Time),
  agentVersion: nullable(Type.String()),
  parent: nullable(
    Type.String({ description: 'Of a microcontroller: the node at whose serial port it was last seen' }),
  ),
  directive: Type.Object({
    wanted: Type.Integer({ description: 'Version of the last directive; 0 before the first' }),
    held: Type.Integer({ description: 'Version that the node reports to hold' }),
  }),
  apps: Type.Array(Id),
})
export type NodeSummary = Static<typeof NodeSummary>

export const InstanceView = Type.Object({
  module: Id,
  home: Home,
  status: Type.String(),
  restarts: Type.Integer(),
  turns: Type.Integer(),
  error: nullable(Type.String()),
})

export const SectionView = Type.Object({
  app: Id,
  epoch: Type.Integer(),
  release: Type.Object({ digest: Digest, number: nullable(Type.Integer()) }),
  status: Type.String(),
  code: nullable(Type.String()),
  message: nullable(Type.String()),
  running: nullable(Type.Object({ digest: Digest, number: nullable(Type.Integer()) })),
  instances: Type.Array(InstanceView),
})
export type SectionView = Static<typeof SectionView>

const Inventory = Type.Object({
  agentVersion: Type.String(),
  arch: Type.String(),
  os: Type.String(),
  memoryBytes: Type.Integer(),
  storageBytes: Type.Integer(),
  interfaces: Type.Array(Type.String()),
  features: Type.Array(Type.String()),
  forms: Type.Array(Type.String()),
  sensors: Type.Array(Type.String()),
  actuators: Type.Array(Type.String()),
  labels: Type.Array(Type.String()),
  updates: nullable(Type.Array(Id, { description: 'Built-in apps whose releases it installs by itself' })),
})

const BoardView = Type.Object({
  id: Id,
  key: Type.String({ description: 'Its Ed25519 key, in hex: with another key it is another board' }),
  standing: Type.Union(
    [Type.Literal('pending'), Type.Literal('accepted'), Type.Literal('another-key'), Type.Literal('name-taken')],
    {
      description:
        'Pending: it waits for hypha accept. Another key: a board with this id belongs to the fleet, and has another key',
    },
  ),
  connected: Type.Boolean({ description: 'To its node, when that last said so' }),
  hardware: Type.String(),
  firmware: Type.String(),
  memoryBytes: Type.Integer({ description: 'What a module may have' }),
  slotBytes: Type.Integer({ description: 'The largest module that it takes' }),
  interfaces: Type.Array(Type.String()),
  sensors: Type.Array(Type.String()),
  actuators: Type.Array(Type.String()),
  directive: Type.Integer({ description: 'Version that it holds; 0 for none' }),
  sections: Type.Array(SectionView),
})

const VitalView = Type.Object({
  name: Type.Union([Type.Literal('battery'), Type.Literal('free-memory'), Type.Literal('cpu')]),
  value: Type.Number({ description: 'Percent for battery and CPU, bytes for memory' }),
  bound: Type.Number({ description: 'Beyond it the node is in trouble' }),
  clear: Type.Number({ description: 'It is well again only from here on' }),
  badSince: nullable(Time),
})

export const NodeDetail = Type.Object({
  ...NodeSummary.properties,
  certificate: Type.Object({ fingerprint: Digest, expiresAt: Time }),
  inventory: nullable(Inventory),
  memoryUsedBytes: Type.Integer({ description: 'Set aside for the instances that it should run' }),
  bootedAt: nullable(Time),
  sections: Type.Array(SectionView),
  refused: nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  inputs: Type.Object(
    { waiting: Type.Integer(), failed: Type.Integer({ description: 'Given up: the events say why' }) },
    { description: 'Messages for the inboxes of its modules' },
  ),
  boards: Type.Array(BoardView, { description: 'Microcontrollers at its serial ports' }),
  vitals: Type.Array(VitalView, { description: 'What it has left, as it said last' }),
})
export type NodeDetail = Static<typeof NodeDetail>

export const NodeRevocation = Type.Object({
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
})

export const NodeRevoked = Type.Object({
  node: NodeDetail,
  secrets: Type.Array(Type.Object({ app: Id, key: Type.String() }), {
    description: 'Secrets that were ever sealed to it: whoever has the device may have read them',
  }),
})
export type NodeRevoked = Static<typeof NodeRevoked>

export const NodeChange = Type.Object({
  addLabels: Type.Optional(Type.Array(Label, { maxItems: 32 })),
  removeLabels: Type.Optional(Type.Array(Type.String(), { maxItems: 32 })),
  zone: Type.Optional(nullable(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,39}$' }))),
})
export type NodeChange = Static<typeof NodeChange>

export const InviteView = Type.Object({
  id: Type.String({ description: "The first 12 hex digits of the token's digest" }),
  node: Id,
  tier: Tier,
  labels: Type.Array(Type.String()),
  createdAt: Time,
  expiresAt: Time,
  usedAt: nullable(Time),
  replaces: Type.Boolean({ description: 'Whoever joins takes the place of the device that has the name' }),
})
export type InviteView = Static<typeof InviteView>

export const InviteRequest = Type.Object({
  node: Id,
  tier: Type.Optional(Tier),
  labels: Type.Optional(Type.Array(Label, { maxItems: 32 })),
  hours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 24 * 366 })),
  replace: Type.Optional(
    Type.Boolean({ description: 'For a name that a node has: whoever joins takes its place, with its history' }),
  ),
})
export type InviteRequest = Static<typeof InviteRequest>

export const InviteMade = Type.Object({
  url: Type.String({ description: 'For `hypha-agent join`; it is shown only here' }),
  invite: InviteView,
})
export type InviteMade = Static<typeof InviteMade>
