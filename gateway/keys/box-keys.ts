import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { boxKeysOf, makeBoxKeys } from '@hypha/core/trust/seal.ts'
import type { HyphaHome } from '../home.ts'

/** The gateway's own keys for secrets at rest, made at its first start. Throws `home-malformed`. */
export function openBoxKeys(home: HyphaHome) {
  const path = join(home.gateway, 'box.key')
  if (existsSync(path)) {
    try {
      return boxKeysOf(readFileSync(path))
    } catch (cause) {
      throw new HyphaError('home-malformed', `${path}: ${asHyphaError(cause).message}`, {
        where: path,
        mend: 'Bring the file back from a backup: it alone opens the secrets in the database.',
        cause,
      })
    }
  }
  const made = makeBoxKeys(nodeCrypto)
  writeFileSync(path, made.secretKey, { mode: 0o600, flush: true })
  return made
}
