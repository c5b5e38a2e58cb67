import { HyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { encodeNewest } from '@hypha/core/wire/messages/root-chain.ts'
import type { OpenHandlers } from './admin/api/routes/open.ts'
import { Buckets } from './broker/bucket.ts'
import type { Authority } from './enrol/ca.ts'
import { inviteId } from './enrol/invites.ts'
import { handleJoin, handleRenew } from './enrol/join.ts'
import type { InviteUse } from './store/ports/invites.ts'
import type { Store } from './store/store.ts'

export interface EnrolmentPorts {
  readonly store: Store
  readonly authority: Authority
  /** The envelope of the first root metadata. */
  readonly root: () => Uint8Array
  /** The envelopes of all versions of root metadata, the newest last. */
  readonly chain: () => readonly Uint8Array[]
  readonly broker: () => { readonly host: string; readonly port: number }
  readonly joined: (node: string) => void
}

/** Certificates of one node: an honest one asks once in months, and some times more where answers are lost. Each costs the gateway some milliseconds. */
const renewalRate = { perSecond: 1 / 60, burst: 10 }

/** How nodes come by their certificates: the two requests that nobody needs a token for. */
export function createEnrolment({ store, ...ports }: EnrolmentPorts): Omit<OpenHandlers, 'joinSite'> {
  // In one transaction with what it tells of: who came into the fleet is never missing in the audit log.
  const redeemInvite = (tokenDigest: string, use: InviteUse): boolean =>
    store.transaction(() => {
      if (!store.invites.redeemInvite(tokenDigest, use)) return false
      const { node, replaces } = store.invites.findInvite(tokenDigest)!
      const details = { invite: inviteId(tokenDigest), certificate: use.fingerprint, ...(replaces ? { replaces } : {}) }
      store.audit.add({ at: use.at, actor: 'gateway', action: 'node.join', subject: node, details })
      return true
    })
  const deps = { ...ports, invites: { ...store.invites, redeemInvite }, crypto: nodeCrypto, now: systemClock.now }
  const renewals = new Buckets(renewalRate)
  return {
    rootChain: () => encodeNewest(ports.chain()),
    join: (body) => handleJoin(body, deps),
    renew: (body) =>
      handleRenew(body, {
        ...deps,
        findNode: (node) => {
          const found = store.nodes.get(node)
          if (found === null || found.removedAt !== null) return null
          const refused = refusalOf(node, { revoked: found.revoked !== null, cloned: found.clonedAt !== null })
          return { ...found, refused }
        },
        mayRenew: (node) => renewals.of(node, systemClock.monotonic()).take(1, systemClock.monotonic()),
        recordCertificate: (node, issued) =>
          void store.nodes.setCertificate(node, issued.fingerprint, issued.expiresAt),
      }),
  }
}

/** Why a node with the right keys isn't let in; null where it is. */
export function refusalOf(
  node: string,
  { revoked, cloned }: { readonly revoked: boolean; readonly cloned: boolean },
): HyphaError | null {
  if (revoked) return new HyphaError('node-revoked', `${node} was revoked`, { where: node })
  if (!cloned) return null
  return new HyphaError('cloned-identity', `Two machines have the keys of ${node}: neither is let in`, { where: node })
}
