import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { addSignature, keyId, openEnvelope, type Signer, signaturesBy } from '@hypha/core/trust/cose.ts'
import { type Role, type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import { verifyFirstRoot } from '@hypha/core/trust/root-chain.ts'
import { checkRoot } from '@hypha/core/trust/shape.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { followRoot } from './fleet.ts'
import type { KeyRole } from './key-box.ts'

/**
 * Root metadata that is being signed. Its file is a root chain of two: the version that it follows, so that whoever is to sign sees what changes and who has to, and
 * itself, with the signatures that it has so far.
 */
export interface RootDraft {
  readonly before: RootMetadata
  readonly beforeEnvelope: Uint8Array
  readonly next: RootMetadata
  readonly envelope: Uint8Array
}

export type RootChanges = Partial<Pick<RootMetadata, 'expiresMs' | 'authorities' | KeyRole>>

/** A draft of what follows `beforeEnvelope`, with these signatures. Throws `root-unusable`, and `argument-invalid` without a signer, or with one that is no root key. */
export function makeDraft(beforeEnvelope: Uint8Array, changes: RootChanges, signers: readonly Signer[]): RootDraft {
  const before = payloadOf(beforeEnvelope)
  const next: RootMetadata = { ...before, ...changes, version: before.version + 1 }
  checkRoot(next)
  for (const signer of signers) checkSigner(signer, before, next)
  if (signers.length === 0) {
    throw new HyphaError('argument-invalid', 'There is no root key to sign with', {
      mend: 'Name a root key file: --key FILE.',
    })
  }
  return { before, beforeEnvelope, next, envelope: followRoot(before, changes, signers) }
}

/** The draft with further signatures. Throws `argument-invalid` for a key that is no root key of either version. */
export function signDraft(draft: RootDraft, signers: readonly Signer[]): RootDraft {
  let { envelope } = draft
  for (const signer of signers) {
    checkSigner(signer, draft.before, draft.next)
    envelope = addSignature(envelope, 'root', signer, maxRootBytes)
  }
  return { ...draft, envelope }
}

export const encodeDraft = ({ beforeEnvelope, envelope }: RootDraft): Uint8Array<ArrayBuffer> =>
  rootChain.encode({ envelopes: [beforeEnvelope, envelope] })

/** Reads a draft's file. Throws `root-version` where the two don't follow each other, `root-unusable`, and what envelopes throw; `threshold-not-met`
 * where the one before isn't signed by enough of its own keys. */
export function decodeDraft(bytes: Uint8Array): RootDraft {
  const { envelopes } = rootChain.decode(bytes)
  const [beforeEnvelope, envelope] = envelopes
  if (beforeEnvelope === undefined || envelope === undefined || envelopes.length !== 2) {
    throw new HyphaError('message-malformed', 'A draft of root metadata has two versions, the one before and itself')
  }
  const [before, next] = [payloadOf(beforeEnvelope), payloadOf(envelope)]
  if (next.version !== before.version + 1 || next.fleet !== before.fleet) {
    throw new HyphaError('root-version', `Root metadata ${next.version} can't follow ${before.version}`)
  }
  // It says what changes, and must not be what somebody has only written down. Whether it is the one in force is for who knows that to say.
  verifyFirstRoot(beforeEnvelope, before.fleet, nodeCrypto)
  checkRoot(next)
  return { before, beforeEnvelope, next, envelope }
}

/** How far a draft is with one of the two thresholds that it has to meet. */
export interface Standing {
  /** The version whose root role it is. */
  readonly version: number
  readonly threshold: number
  /** Ids of the role's keys, hex. */
  readonly signed: readonly string[]
  readonly missing: readonly string[]
}

/** Of the version before and of its own; one where they are the same. */
export function standingsOf({ before, next, envelope }: RootDraft): Standing[] {
  const opened = openEnvelope(envelope, 'root', maxRootBytes)
  const roles = sameRole(before.root, next.root) ? [next] : [before, next]
  return roles.map(({ root, version }) => {
    const signed = signaturesBy(opened, root, nodeCrypto).valid.map(toHex)
    const missing = root.keys.map(idOf).filter((id) => !signed.includes(id))
    return { version, threshold: root.threshold, signed, missing }
  })
}

export const isMet = (standings: readonly Standing[]): boolean =>
  standings.every(({ signed, threshold }) => signed.length >= threshold)

/** What a draft changes, in sentences. */
export function changesOf({ before, next }: Pick<RootDraft, 'before' | 'next'>): string[] {
  const lines: string[] = []
  for (const role of ['root', 'release', 'gateway'] as const) {
    const [was, is] = [before[role], next[role]]
    const gone = was.keys.filter((key) => !holds(is, key)).map(idOf)
    const come = is.keys.filter((key) => !holds(was, key)).map(idOf)
    if (gone.length === 1 && come.length === 1) lines.push(`${role}: key ${come[0]} replaces ${gone[0]}`)
    else {
      if (come.length > 0) lines.push(`${role}: key ${come.join(', ')} is added`)
      if (gone.length > 0) lines.push(`${role}: key ${gone.join(', ')} is revoked`)
    }
    if (was.threshold !== is.threshold) {
      lines.push(
        `${role}: ${is.threshold} of ${is.keys.length} keys must sign, it was ${was.threshold} of ${was.keys.length}`,
      )
    }
  }
  const [had, has] = [before, next].map(({ authorities }) => authorities?.map(toHex).join(' and ') ?? null)
  if (had !== has) {
    lines.push(
      `certificate authority of the gateway: ${has ?? 'the one that each node has'} instead of ${had ?? 'the one that each node joined by'}`,
    )
  }
  if (before.expiresMs !== next.expiresMs) {
    lines.push(`expires ${dayOf(next.expiresMs)} instead of ${dayOf(before.expiresMs)}`)
  }
  return lines
}

/** The day of a time that may be beyond what `Date` knows. */
export const dayOf = (ms: number): string => new Date(Math.min(ms, 8.64e15)).toISOString().slice(0, 10)

/** A key's id as people see it: 16 hex digits. */
export const idOf = (publicKey: Uint8Array): string => toHex(keyId(publicKey, nodeCrypto))

export const holds = ({ keys }: Role, key: Uint8Array): boolean => keys.some((each) => bytesEqual(each, key))

const sameRole = (a: Role, b: Role): boolean =>
  a.threshold === b.threshold && a.keys.length === b.keys.length && a.keys.every((key) => holds(b, key))

const payloadOf = (envelope: Uint8Array): RootMetadata =>
  rootMetadata.decode(openEnvelope(envelope, 'root', maxRootBytes).unverifiedPayload)

function checkSigner({ publicKey, kid }: Signer, before: RootMetadata, next: RootMetadata): void {
  if (holds(before.root, publicKey) || holds(next.root, publicKey)) return
  const id = toHex(kid)
  throw new HyphaError(
    'argument-invalid',
    `The key ${id} is no root key of version ${before.version} or ${next.version}`,
    {
      where: id,
      mend: 'Name the file of one that is: hypha root show lists them.',
    },
  )
}
