import { encodeCbor } from '../../bytes/cbor.ts'
import { bytes, message, record, type TypeOf, text, uint } from '../codec.ts'
import { id } from '../ids.ts'
import { tier } from './state.ts'

const key = bytes({ exact: 32 })
const signature = bytes({ exact: 64 })

/** The body of POST /v1/join: an invited node asks for its certificate. */
export const joinRequest = message(
  'join request',
  record({
    node: [1, id],
    token: [2, text(64, /^[A-Za-z0-9_-]{22,64}$/)],
    /** The node's Ed25519 key, which is its TLS key too. */
    publicKey: [3, key],
    /** The node's X25519 key, for configuration that is sealed to it. */
    boxKey: [4, key],
    /** By the node's key, over `joinProof`. */
    proof: [5, signature],
  }),
  1_024,
)

export type JoinRequest = TypeOf<typeof joinRequest>

/** The body of POST /v1/renew: a joined node asks for a fresh certificate; also one whose certificate has expired. */
export const renewRequest = message(
  'renew request',
  record({
    node: [1, id],
    /** By the node's key, over `renewProof`. */
    proof: [2, signature],
  }),
  1_024,
)

export type RenewRequest = TypeOf<typeof renewRequest>

/** The answer to both. */
export const joinAnswer = message(
  'join answer',
  record({
    fleet: [1, id],
    tier: [2, tier],
    /** PEM, for the node's own key. */
    certificate: [3, text(8_192)],
    /** PEM of the fleet's CA. */
    ca: [4, text(8_192)],
    /** The envelope of the first root metadata, whose SHA-256 the join URL pins. */
    root: [5, bytes({ max: 32_768 })],
    brokerHost: [6, text(253)],
    brokerPort: [7, uint(65_535, 1)],
  }),
)

export type JoinAnswer = TypeOf<typeof joinAnswer>

/** What a node signs to prove that it holds the key that it asks a certificate for. The first word keeps it apart from all else that the key signs. */
export function joinProof(fleet: string, request: Omit<JoinRequest, 'proof'>): Uint8Array<ArrayBuffer> {
  return encodeCbor(['hypha join 1', fleet, request.node, request.token, request.publicKey, request.boxKey])
}

/** It needs no freshness: whoever repeats an old one gets a certificate that only the node's key can use. */
export function renewProof(fleet: string, node: string): Uint8Array<ArrayBuffer> {
  return encodeCbor(['hypha renew 1', fleet, node])
}
