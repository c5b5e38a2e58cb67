import { type AuthorityTrust, believes, renewByRoot } from '@hypha/core/platform/authority.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import { type Identity, replaceIdentity } from './home.ts'
import { Renewal, type RenewalPorts } from './renewal.ts'
import { through } from './through.ts'

/** Keeps the certificate of an agent's home from running out, by the gateway that root metadata names. */
export function openRenewal(
  home: string,
  identity: Identity,
  trust: AuthorityTrust,
  log: Log,
  { now, use }: Pick<RenewalPorts, 'now' | 'use'>,
): Renewal {
  const { fleet, node, seed, gatewayHost: host, gatewayPort: port } = identity
  const path = through('api')
  return new Renewal(identity, {
    clock: systemClock,
    now,
    outdated: ({ ca }) => !believes(trust.root(), ca),
    async ask(held) {
      // Loaded when it is needed, which is once in months.
      const { askAuthority, askRootChain, renew } = await import('./join/join.ts')
      return await renewByRoot(held, trust, {
        renew: (ca) => renew({ host, port, path, fleet, node, ca }, (message) => nodeCrypto.sign(seed, message)),
        rootChain: () => askRootChain({ host, port, path }),
        authority: (digests) => askAuthority({ host, port, path }, digests),
      })
    },
    keep: (renewed) => replaceIdentity(home, renewed),
    use,
    note: (text) => log.info(text),
    onProblem: (error) => log.warn(`The certificate can't be renewed now: ${error.message}`, { code: error.code }),
  })
}
