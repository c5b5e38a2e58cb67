import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAuthority } from '../../gateway/enrol/ca.ts'
import type { HyphaHome } from '../../gateway/home.ts'
import { openStore } from '../../gateway/store/store.ts'
import type { SimulatedNode } from './messages.ts'

/** Enters nodes into a gateway's home while it doesn't run: certificates of its own authority, records as `join` writes them. */
export async function enrolNodes(
  home: HyphaHome,
  fleet: string,
  count: number,
): Promise<{ ca: string; nodes: SimulatedNode[] }> {
  const read = (name: string) => readFileSync(join(home.gateway, name), 'utf8')
  const authority = await loadAuthority(fleet, { certificate: read('ca.pem'), key: read('ca.key') })
  const store = openStore(join(home.gateway, 'hypha.db'), { fleet })
  const nodes: SimulatedNode[] = []
  const now = Date.now()
  for (let number = 0; number < count; number++) {
    const id = `node-${number}`
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
    const issued = await authority.issueNode({ id, publicKey: raw })
    nodes.push({
      id,
      certificate: issued.certificate,
      key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    })
    store.nodes.put({
      id,
      tier: 'device',
      publicKey: raw,
      // Nobody seals anything to it here.
      boxKey: raw,
      fingerprint: issued.fingerprint,
      certificateExpiresAt: issued.expiresAt,
      labels: [],
      createdAt: now,
    })
  }
  store.close()
  return { ca: authority.certificate, nodes }
}
