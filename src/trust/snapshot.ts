import { bytes, list, message, nullable, record, type TypeOf, uint } from '../wire/codec.ts'
import { id } from '../wire/ids.ts'

/** Caps of the signed envelopes, in bytes, checked before anything in them is read. */
export const maxRootBytes = 12_288
export const maxDirectiveBytes = 60_000
export const maxReleaseBytes = 73_728

/** Apps for which a floor is remembered, also after they were removed from the node. */
export const maxFloors = 1_024

/** What a node has come to trust: it stores this, durably, before it acts on what raised it, and starts from it again. */
export const trustSnapshot = message(
  'trust snapshot',
  record({
    fleet: [1, id],
    node: [2, id],
    /** Payload of the root metadata that is trusted now. */
    root: [3, bytes({ max: maxRootBytes })],
    /** Envelope of the directive that the node holds: what it runs, and its proof towards the gateway. */
    directive: [4, nullable(bytes({ max: maxDirectiveBytes }))],
    /** The latest time that the gateway has signed. */
    gatewayTimeMs: [5, uint()],
    /** The highest floor seen of each app. */
    floors: [6, list(record({ app: [1, id], floor: [2, uint(0xffff_ffff)] }), maxFloors)],
  }),
  160 * 1024,
)

export type TrustSnapshot = TypeOf<typeof trustSnapshot>
