import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import type { OpenKey } from '../../keys/key-file.ts'
import type { BuiltModule } from '../../push/build/build.ts'
import { makeRelease, type ReleaseToMake, releasePayload, signRelease } from '../../push/release.ts'
import { pushBody } from '../api/push-body.ts'

// The part of a push that works on bytes, apart from the part that speaks to the gateway: it is loaded while the gateway answers.

export { readKeyInfo } from '../../keys/key-file.ts'
export { buildWithProgress } from './build.ts'
export { openKey } from './keys.ts'
export { floorNote, signedFloor } from './verified-release.ts'

/** What is to be signed of a release, with what its modules need read from their own bytes. Throws what `makeRelease` throws. */
export const payloadOf = (wanted: ReleaseToMake): Uint8Array => releasePayload(makeRelease(wanted, nodeCrypto))

/** The body of a push: the signed release and its components. */
export function signedPush(payload: Uint8Array, { seed }: OpenKey, built: readonly BuiltModule[]): Uint8Array {
  const envelope = signRelease(payload, [seedSigner(seed, nodeCrypto)])
  return pushBody.encode({ envelope, components: built.map(({ component }) => component) })
}
