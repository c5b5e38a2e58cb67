import { createPrivateKey } from 'node:crypto'
import { ed25519Pkcs8 } from '@hypha/core/bytes/ed25519.ts'
import type { HyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import type { Identity } from './home.ts'
import type { Link, LinkOptions } from './link/link.ts'
import { createLink } from './link/mqtt-link.ts'
import { through } from './through.ts'

type LinkParts = Pick<LinkOptions, 'nextConnection' | 'run' | 'journal' | 'timing'>

/** The link of a node with this identity; `believed` is the CA that its broker must prove itself by, null for none. */
export function openLink(
  identity: Identity & { readonly believed: string | null },
  parts: LinkParts,
  onError: (error: HyphaError) => void,
): Link {
  const { fleet, node, brokerHost, brokerPort, believed: ca, certificate, seed } = identity
  const key = createPrivateKey({ key: Buffer.from(ed25519Pkcs8(seed)), format: 'der', type: 'pkcs8' })
  return createLink({
    fleet,
    node,
    host: brokerHost,
    port: brokerPort,
    path: through('broker'),
    ca,
    certificate,
    key: key.export({ format: 'pem', type: 'pkcs8' }) as string,
    ...parts,
    clock: systemClock,
    random: Math.random,
    onError,
  })
}
