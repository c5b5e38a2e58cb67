import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { ReleaseFile } from '@hypha/core/trust/release.ts'

/**
 * The files of a built-in app's release, by their digests in hex, each among what was pushed with it. Throws `push-incomplete` where one isn't,
 * `release-mismatch` where it is of another size than was signed.
 */
export function checkFiles(
  files: readonly ReleaseFile[],
  given: ReadonlyMap<string, Uint8Array>,
): [string, Uint8Array][] {
  return files.map(({ name, artifact }) => {
    const digest = toHex(artifact.digest)
    const bytes = given.get(digest)
    if (bytes === undefined) {
      throw new HyphaError('push-incomplete', `The file ${name}, with the digest ${digest}, was not pushed`)
    }
    if (bytes.length !== artifact.size) {
      const text = `The release says that ${name} has ${artifact.size} bytes, it has ${bytes.length}`
      throw new HyphaError('release-mismatch', text, { where: name })
    }
    return [digest, bytes]
  })
}
