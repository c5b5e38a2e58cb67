import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import type { OpenKey } from '../../keys/key-file.ts'
import type { BuiltModule } from '../../push/build/build.ts'
import { idleDrives } from '../../push/drives.ts'
import { makeRelease, type ReleaseToMake, releasePayload, signRelease } from '../../push/release.ts'
import { pushBody } from '../api/push-body.ts'
import type { Cli } from './cli.ts'

// The part of a push that works on bytes, apart from the part that speaks to the gateway: it is loaded while the gateway answers.

export { readKeyInfo } from '../../keys/key-file.ts'
export { buildWithProgress } from './build.ts'
export { openKey } from './keys.ts'
export { floorNote, signedFloor } from './verified-release.ts'

/** What is to be signed of a release, with what its modules need read from their own bytes; notes what its author hardly means. Throws what `makeRelease` throws. */
export function payloadOf(cli: Pick<Cli, 'note'>, wanted: ReleaseToMake): Uint8Array {
  const made = makeRelease(wanted, nodeCrypto)
  for (const idle of idleDrives(made)) cli.note(`! ${idle}.`)
  return releasePayload(made)
}

/** The body of a push: the signed release and its components. */
export function signedPush(payload: Uint8Array, { seed }: OpenKey, built: readonly BuiltModule[]): Uint8Array {
  const envelope = signRelease(payload, [seedSigner(seed, nodeCrypto)])
  return pushBody.encode({ envelope, components: built.map(({ component }) => component) })
}
