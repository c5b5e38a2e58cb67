import { bytesEqual } from '../bytes/text.ts'
import { bytes, list, message, nullable, record, type TypeOf, uint } from '../wire/codec.ts'
import { digest, id } from '../wire/ids.ts'

const publicKey = bytes({ exact: 32 })

const role = record({
  /** How many of the keys must have signed. */
  threshold: [1, uint(16, 1)],
  /** Ed25519 public keys. */
  keys: [2, list(publicKey, 16)],
})

/** Says whom to believe. Version 1 is pinned by its digest in the join URL; version N+1 is signed by N's root threshold and its own. */
export const rootMetadata = message(
  'root metadata',
  record({
    fleet: [1, id],
    version: [2, uint(0xffff_ffff, 1)],
    expiresMs: [3, uint()],
    root: [4, role],
    release: [5, role],
    gateway: [6, role],
    /** SHA-256 of the CA certificates (DER) that nodes believe their gateway by; null: the one that each has joined by. [P 5.9] */
    authorities: [7, nullable(list(digest, 4))],
  }),
  8_192,
)

export type RootMetadata = TypeOf<typeof rootMetadata>
export type Role = RootMetadata['root']

/** Whether a node believes a gateway by the CA certificate with this SHA-256. [P 5.9] */
export function mayVouch(root: RootMetadata, ca: Uint8Array): boolean {
  return root.authorities === null || root.authorities.some((listed) => bytesEqual(listed, ca))
}
