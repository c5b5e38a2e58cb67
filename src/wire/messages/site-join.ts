import { encodeCbor } from '../../bytes/cbor.ts'
import { bytes, message, record, type TypeOf, text, uint } from '../codec.ts'
import { id } from '../ids.ts'

/** The body of POST /v1/join-site: an invited gateway asks for its site's certificate. [P 14.1] */
export const siteJoinRequest = message(
  'site join request',
  record({
    site: [1, id],
    token: [2, text(64, /^[A-Za-z0-9_-]{22,64}$/)],
    /** Ed25519, made for this upstream alone. */
    publicKey: [3, bytes({ exact: 32 })],
    /** By that key, over `siteJoinProof`. */
    proof: [4, bytes({ exact: 64 })],
  }),
  1_024,
)

export type SiteJoinRequest = TypeOf<typeof siteJoinRequest>

export const siteJoinAnswer = message(
  'site join answer',
  record({
    fleet: [1, id],
    /** PEM, for the site's key. */
    certificate: [2, text(8_192)],
    /** Where the uplink is opened: the broker's listener. */
    host: [3, text(253)],
    port: [4, uint(65_535, 1)],
  }),
  32_768,
)

/** What a site signs to prove that it holds its key. The first word keeps it apart from what nodes sign. */
export function siteJoinProof(fleet: string, request: Omit<SiteJoinRequest, 'proof'>): Uint8Array<ArrayBuffer> {
  return encodeCbor(['hypha join site 1', fleet, request.site, request.token, request.publicKey])
}
