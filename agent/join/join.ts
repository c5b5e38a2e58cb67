import { createHash } from 'node:crypto'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { fetchPinnedAuthority, get, type HttpsTarget, post } from '@hypha/core/platform/pinned-https.ts'
import type { JoinUrl } from '@hypha/core/wire/join-url.ts'
import {
  type JoinAnswer,
  joinAnswer,
  joinProof,
  joinRequest,
  renewProof,
  renewRequest,
} from '@hypha/core/wire/messages/join.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'

/** The node's keys as joining needs them; the private halves stay where they are. */
export interface JoinIdentity {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** X25519, 32 bytes. */
  readonly boxKey: Uint8Array
  /** An Ed25519 signature by `publicKey`'s private half. */
  sign(message: Uint8Array): Uint8Array
}

export interface JoinOptions {
  /** For each connection and each answer. */
  readonly timeoutMs?: number
  /** A Unix socket through which the gateway's API is reached. */
  readonly path?: string | undefined
}

const defaultTimeoutMs = 15_000

/**
 * Joins the fleet that an invitation names. The gateway has to prove that it holds the pinned CA before anything is sent to it; the root metadata [P 5.2]
 * has to be the pinned one. The caller keeps the answer. The same call may be repeated until the invitation expires.
 *
 * Throws `join-unreachable`, `join-ca-mismatch`, `join-root-mismatch`, and what the gateway answers: `join-token-unknown`, `-expired`, `-used`.
 */
export async function join(url: JoinUrl, identity: JoinIdentity, options: JoinOptions = {}): Promise<JoinAnswer> {
  const { timeoutMs = defaultTimeoutMs, path } = options
  const target: HttpsTarget = { host: url.host, port: url.port, timeoutMs, path }
  const ca = await fetchPinnedAuthority(target, url.ca)
  const request = {
    node: url.node,
    token: url.token,
    publicKey: identity.publicKey,
    boxKey: identity.boxKey,
  }
  const proof = identity.sign(joinProof(url.fleet, request))
  const answer = joinAnswer.decode(await post(target, ca, '/v1/join', joinRequest.encode({ ...request, proof })))
  if (sha256(answer.root) !== url.root) {
    throw new HyphaError(
      'join-root-mismatch',
      `The root metadata from ${url.host} is not the one that the join URL pins`,
    )
  }
  if (answer.fleet !== url.fleet) {
    throw new HyphaError(
      'join-root-mismatch',
      `The join URL is for fleet ${url.fleet}, the gateway's is ${answer.fleet}`,
    )
  }
  // What was verified counts, not what the answer says that it is.
  return { ...answer, ca }
}

/** What a joined node knows of its gateway. */
export interface RenewFrom {
  readonly host: string
  readonly port: number
  /** A Unix socket through which the gateway's API is reached. */
  readonly path?: string | undefined
  readonly fleet: string
  readonly node: string
  /** PEM of the CA that `join` returned. */
  readonly ca: string
}

/** Root metadata as whoever answers at the gateway's address gives it: it is to be followed by the rules. Throws `join-unreachable`, and what malformed bytes throw. */
export async function askRootChain(from: Pick<RenewFrom, 'host' | 'port' | 'path'>): Promise<readonly Uint8Array[]> {
  const target: HttpsTarget = { ...from, timeoutMs: defaultTimeoutMs }
  return rootChain.decode(await get(target, null, '/v1/root-chain')).envelopes
}

/** The CA certificate (PEM) with one of the digests, of those that the gateway shows. Nothing is believed by it yet. Throws `join-unreachable`, `join-ca-mismatch`. */
export const askAuthority = (from: Pick<RenewFrom, 'host' | 'port' | 'path'>, digestsHex: readonly string[]) =>
  fetchPinnedAuthority({ ...from, timeoutMs: defaultTimeoutMs }, ...digestsHex)

/** A fresh certificate for a joined node, also after the old one has expired. Throws `join-unreachable`, `join-ca-mismatch`, `join-proof-invalid`. */
export async function renew(
  from: RenewFrom,
  sign: JoinIdentity['sign'],
  options: JoinOptions = {},
): Promise<JoinAnswer> {
  const { host, port, path } = from
  const target: HttpsTarget = { host, port, path, timeoutMs: options.timeoutMs ?? defaultTimeoutMs }
  const body = renewRequest.encode({ node: from.node, proof: sign(renewProof(from.fleet, from.node)) })
  const answer = joinAnswer.decode(await post(target, from.ca, '/v1/renew', body))
  return { ...answer, ca: from.ca }
}

const sha256 = (bytes: Uint8Array): string => toHex(createHash('sha256').update(bytes).digest())
