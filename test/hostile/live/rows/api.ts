import { signMany } from '@hypha/core/trust/cose.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { pushBody } from '../../../../gateway/admin/api/push-body.ts'
import { app } from '../fixture.ts'
import { Forge, only, type Signed } from '../forge.ts'
import type { Call } from '../real-gateway.ts'
import type { Row } from '../row.ts'
import type { World } from '../world.ts'

// The gateway's HTTP API over TLS, as an attacker reaches it.

type ApiRow = Omit<Row<World>, 'at'>

const call = (
  name: string,
  sent: string,
  code: string,
  path: string,
  make: (world: World) => Call = () => ({}),
  threats: readonly string[] = [],
): ApiRow => ({ name, sent, code, threats, run: (world) => world.gateway.refusal(path, make(world)) })

/** A push with the token of someone who may push anything: what is wrong is the release. */
const push = (
  name: string,
  sent: string,
  code: string,
  make: (forge: Forge) => { readonly envelope: Uint8Array; readonly components?: readonly Uint8Array[] },
  threats: readonly string[] = [],
): ApiRow =>
  call(
    name,
    sent,
    code,
    '/v1/push',
    ({ facts }) => {
      const forge = new Forge(facts)
      const { envelope, components = [forge.component] } = make(forge)
      return { token: facts.tokens.admin, cbor: pushBody.encode({ envelope, components }) }
    },
    threats,
  )

/** The author's next release, which would be accepted. */
const nextRelease = (forge: Forge, name: string): Signed => forge.signRelease({ app: name, number: 1, floor: 0 })

const pushes = (world: World, token: string): Call => {
  const forge = new Forge(world.facts)
  return {
    token,
    cbor: pushBody.encode({ envelope: nextRelease(forge, 'intruder').envelope, components: [forge.component] }),
  }
}

const rows: ApiRow[] = [
  call('api/no-token', 'a request without a token', 'not-signed-in', '/v1/nodes'),
  call('api/wrong-token', 'a token that nobody was given', 'not-signed-in', '/v1/nodes', () => ({
    token: `hypha_${'A'.repeat(43)}`,
  })),
  call('api/expired-token', "an admin's token that has expired", 'not-signed-in', '/v1/nodes', ({ facts }) => ({
    token: facts.tokens.expired,
  })),
  call('api/revoked-token', "an admin's token that was revoked", 'not-signed-in', '/v1/nodes', ({ facts }) => ({
    token: facts.tokens.revoked,
  })),
  {
    name: 'api/guessing',
    sent: 'the eleventh wrong token within a minute',
    code: 'too-many-attempts',
    async run({ gateway }) {
      const from = gateway.newAddress()
      const guess = () => gateway.refusal('/v1/nodes', { token: 'guessed', from })
      for (let tries = 0; tries < 10; tries++) await guess()
      return await guess()
    },
  },
  call('api/viewer-pushes', 'a release, with the token of a viewer', 'not-allowed', '/v1/push', (world) =>
    pushes(world, world.facts.tokens.viewer),
  ),
  call('api/operator-pushes', 'a release, with the token of an operator', 'not-allowed', '/v1/push', (world) =>
    pushes(world, world.facts.tokens.operator),
  ),
  call(
    'api/publisher-of-another-app',
    "a release, with the token of another app's publisher",
    'not-allowed',
    '/v1/push',
    (world) => pushes(world, world.facts.tokens.publisher),
    ['THREAT.UPD.UNAPPROVED'],
  ),
  call(
    'api/viewer-invites',
    'an invitation, with the token of a viewer',
    'not-allowed',
    '/v1/invites',
    ({ facts }) => ({
      token: facts.tokens.viewer,
      json: { node: 'pi-mine', tier: 'device', hours: 1 },
    }),
  ),
  call(
    'api/operator-makes-token',
    "an admin's token, asked for by an operator",
    'not-allowed',
    '/v1/tokens',
    ({ facts }) => ({
      token: facts.tokens.operator,
      json: { name: 'mine', role: 'admin' },
    }),
  ),
  call(
    'api/viewer-reads-audit',
    'the audit log, with the token of a viewer',
    'not-allowed',
    '/v1/audit',
    ({ facts }) => ({
      token: facts.tokens.viewer,
    }),
  ),
  call(
    'api/publisher-configures',
    "an app's setting, with a publisher's token",
    'not-allowed',
    `/v1/apps/${app}/config/level`,
    ({ facts }) => ({
      method: 'PUT',
      token: facts.tokens.publisher,
      json: { value: '9' },
    }),
  ),
  call('api/name-of-another', "an invitation in a joined node's name", 'name-taken', '/v1/invites', ({ facts }) => ({
    token: facts.tokens.operator,
    json: { node: 'pi-2', tier: 'device', hours: 1 },
  })),
  call('endless/api-body', 'a JSON body of 300 KB', 'bytes-too-long', '/v1/invites', ({ facts }) => ({
    token: facts.tokens.operator,
    json: { node: 'x'.repeat(300_000), tier: 'device' },
  })),
  call('endless/join-body', 'a join request of 70 KB', 'bytes-too-long', '/v1/join', () => ({
    cbor: new Uint8Array(70_000),
  })),
  call(
    'endless/push-cbor',
    'a push that announces 4 billion components',
    'bytes-truncated',
    '/v1/push',
    ({ facts }) => ({
      token: facts.tokens.admin,
      cbor: new Uint8Array([0xa1, 2, 0x9a, 0xff, 0xff, 0xff, 0xff]),
    }),
  ),

  push(
    'arbitrary/push-by-stranger',
    "a release by a stranger's key",
    'threshold-not-met',
    (forge) => forge.signRelease({ app: 'spy-1', number: 1, floor: 0 }, [forge.stranger]),
    ['THREAT.IMG.NON_AUTH'],
  ),
  push(
    'arbitrary/push-other-component',
    "another component in a signed one's place",
    'push-incomplete',
    (forge) => ({
      envelope: nextRelease(forge, 'spy-2').envelope,
      components: [forge.component.map((byte, index) => (index === 20 ? byte ^ 1 : byte))],
    }),
    ['THREAT.IMG.NON_AUTH', 'THREAT.MFST.MODIFICATION'],
  ),
  push(
    'arbitrary/push-untrue',
    'a signed release that hides what its module imports',
    'release-mismatch',
    (forge) => {
      const [module] = forge.genuine.get(3)!.release.modules
      const world = { ...module!.world, imports: module!.world.imports.slice(1) }
      return forge.signRelease({ app: 'spy-3', number: 1, floor: 0, modules: [{ ...module!, world }] })
    },
    ['THREAT.MFST.MODIFICATION'],
  ),
  push(
    'key-compromise/push-by-gateway-key',
    'a release by the stolen gateway key',
    'threshold-not-met',
    (forge) => forge.signRelease({ app: 'spy-4', number: 1, floor: 0 }, [forge.gateway]),
    ['THREAT.KEY.EXPOSURE'],
  ),
  push('wrong/push-of-other-fleet', 'a release of another fleet, same release key', 'wrong-fleet', (forge) =>
    forge.signRelease({ app: 'spy-5', number: 1, floor: 0, fleet: 'orchard' }),
  ),
  push('rollback/push-old-number', 'another release with the number of the last', 'release-number', (forge) =>
    forge.signRelease({ label: 'other' }),
  ),
  push(
    'rollback/push-lower-floor',
    'a signed release that lowers the floor',
    'metadata-invalid',
    (forge) => forge.signRelease({ number: 4, floor: 1 }),
    ['THREAT.IMG.EXPIRED', 'THREAT.KEY.EXPOSURE'],
  ),
  push('rollback/push-floor-above-itself', 'a signed release below its own floor', 'metadata-invalid', (forge) =>
    forge.signRelease({ app: 'spy-6', number: 1, floor: 2 }),
  ),
  call(
    'rollback/to-below-floor',
    "the operator's rollback to a release below the floor",
    'release-below-floor',
    `/v1/apps/${app}/rollback`,
    ({ facts }) => ({ token: facts.tokens.operator, json: { number: 1 } }),
    ['THREAT.IMG.EXPIRED'],
  ),
  call(
    'side-door/root-through-api',
    'root metadata by the stolen gateway key, as an admin',
    'threshold-not-met',
    '/v1/root',
    ({ facts, victim }) => {
      const forge = new Forge(facts)
      const value = { ...victim.root, version: 2, release: only(forge.stranger) }
      const taken = signMany(rootMetadata.encode(value), 'root', [forge.gateway])
      return { token: facts.tokens.admin, cbor: rootChain.encode({ envelopes: [victim.firstRoot, taken] }) }
    },
    ['THREAT.KEY.EXPOSURE'],
  ),
]

export const apiRows: readonly Row<World>[] = rows.map((row) => ({ ...row, at: 'gateway' }))
