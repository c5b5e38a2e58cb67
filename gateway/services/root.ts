import { toHex } from '@hypha/core/bytes/text.ts'
import { keyId } from '@hypha/core/trust/cose.ts'
import type { RootView } from '../admin/api/schemas/root.ts'
import type { Services } from '../admin/api/services.ts'
import type { Audit } from './audit.ts'
import type { GatewayDeps } from './deps.ts'
import type { Pipeline } from './pipeline.ts'

const dayMs = 86_400_000
/** Root metadata is signed by people who may have to travel to their keys. */
const noticeDays = 60

/** Root metadata as the gateway has it, and newer one taken while the fleet runs. */
export function rootServices(
  deps: GatewayDeps,
  pipeline: Pick<Pipeline, 'rootChanged'>,
  audit: Audit,
): Services['root'] {
  return {
    show: async () => rootView(deps),
    submit: async (envelopes, by) => {
      const before = deps.root().version
      if ((await deps.roots.add(envelopes, deps.clock.now())) > 0) {
        const { version, expiresAt, roles, authorities } = rootView(deps)
        const keys = Object.fromEntries(
          Object.entries(roles).map(([role, each]) => [role, each.keys.map(({ id }) => id)]),
        )
        audit(by, 'root.update', `${version}`, { from: before, expiresAt, keys, ...(authorities && { authorities }) })
        // First root metadata, then what only those accept who follow it.
        await deps.outlet.root()
        pipeline.rootChanged()
      }
      return rootView(deps)
    },
  }
}

function rootView({ root, roots, crypto }: GatewayDeps): RootView {
  const current = root()
  const role = ({ threshold, keys }: typeof current.root) => ({
    threshold,
    keys: keys.map((key) => ({ id: toHex(keyId(key, crypto)), publicKey: toHex(key) })),
  })
  return {
    fleet: current.fleet,
    version: current.version,
    expiresAt: current.expiresMs,
    roles: { root: role(current.root), release: role(current.release), gateway: role(current.gateway) },
    authorities: current.authorities?.map(toHex) ?? null,
    envelopes: roots.chain.map((envelope) => Buffer.from(envelope).toString('base64')),
  }
}

/** What an operator should know of keys and root metadata. */
export function rootNotices({ root, roots }: Pick<GatewayDeps, 'root' | 'roots'>, now: number): string[] {
  const { version, expiresMs, ...roles } = root()
  const notices: string[] = []
  const problem = roots.problem()
  if (problem !== null) {
    notices.push(`No directive is signed: ${problem.message}. Nodes go on with what they run. ${problem.mend}`)
  }
  const renew = 'renew it with hypha root renew'
  const daysLeft = Math.floor((expiresMs - now) / dayMs)
  if (now >= expiresMs) {
    notices.push(
      `Root metadata version ${version} has expired: nodes accept no new directive. Have its key holders ${renew}.`,
    )
  } else if (daysLeft < noticeDays) {
    notices.push(`Root metadata version ${version} expires in ${daysLeft} days: have its key holders ${renew}.`)
  }
  for (const [role, then] of [
    ['root', 'no key can ever be replaced'],
    ['release', 'no release can be signed until root metadata names another'],
  ] as const) {
    const { threshold, keys } = roles[role]
    if (threshold > 1 && threshold === keys.length) {
      notices.push(
        `All ${threshold} ${role} keys have to sign: when one is lost, ${then}. Add a spare one with hypha key add ${role}.`,
      )
    }
  }
  return notices
}
