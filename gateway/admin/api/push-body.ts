import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { maxComponentBytes } from '@hypha/core/wasm/analyse.ts'
import { bytes, list, message, record } from '@hypha/core/wire/codec.ts'

/** The most that the body of one push may have. */
export const maxPushBytes = 128 * 1024 * 1024

/** The body of `POST /v1/push`: CBOR, because base64 in JSON would be a third larger and would be held twice. */
export const pushBody = message(
  'push',
  record({
    /** COSE_Sign over a `Release`. */
    envelope: [1, bytes({ max: maxReleaseBytes })],
    /** In any order; their digests say which is which. */
    components: [2, list(bytes({ max: maxComponentBytes }), 128)],
  }),
  maxPushBytes,
)
