import { toHex } from '@hypha/core/bytes/text.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
import type { ReleasedAgent } from '../install/installables.ts'
import type { Store } from '../store/store.ts'
import { Releases } from './releases.ts'

/** The agent's program in the newest release of `hypha-agent` that enough have signed; null where there is none. */
export function releasedAgent(store: Store): ReleasedAgent | null {
  const [newest] = store.apps.releases(agentApp)
  const stored = newest && new Releases(store).byDigest(newest.digest)
  const file = stored?.release.files?.find(({ name, arch }) => name === 'agent' && arch === null)
  if (stored === undefined || stored === null || file === undefined) return null
  const digest = toHex(file.artifact.digest)
  const bytes = store.contents.get(digest)
  return bytes === null ? null : { digest, number: stored.number, bytes: () => bytes }
}
