import Type, { type Static } from 'typebox'
import { Id, Time } from './common.ts'

const RoleView = Type.Object({
  threshold: Type.Integer({ description: 'How many of the keys must sign' }),
  keys: Type.Array(
    Type.Object({
      id: Type.String({
        description: 'The first 8 bytes of the SHA-256 of the public key, hex: its name in envelopes',
      }),
      publicKey: Type.String({ description: 'Ed25519, hex' }),
    }),
  ),
})

export const RootView = Type.Object({
  fleet: Id,
  version: Type.Integer(),
  expiresAt: Time,
  roles: Type.Object({ root: RoleView, release: RoleView, gateway: RoleView }),
  authorities: Type.Union([Type.Array(Type.String()), Type.Null()], {
    description:
      'SHA-256 of the CA certificates that nodes believe the gateway by, hex; null: the one that each joined by',
  }),
  envelopes: Type.Array(Type.String({ description: 'COSE_Sign, base64' }), {
    description: 'All versions as they were signed, from the first on',
  }),
})
export type RootView = Static<typeof RootView>
