import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Signer, signMany } from '@hypha/core/trust/cose.ts'
import {
  type Limits,
  type LinkHint,
  type ModuleSpec,
  type Release,
  type ReleaseModule,
  type RolloutPolicy,
  release,
} from '@hypha/core/trust/release.ts'
import { analyse, pageBytes } from '@hypha/core/wasm/analyse.ts'
import type { MemoryNeed, World } from '@hypha/core/wasm/types.ts'
import { bareName } from '@hypha/core/wasm/versions.ts'
import { checkWasi } from '@hypha/core/wasm/wasi.ts'
import { checkLinks } from './linking.ts'

/** A module as it goes into a release: what was built, and what `hypha.toml` says of it. */
export interface ModuleToRelease {
  readonly name: string
  readonly component: Uint8Array
  readonly spec: ModuleSpec
}

export interface ReleaseToMake {
  readonly fleet: string
  readonly app: string
  /** Above the last one of the app. */
  readonly number: number
  /** The author's own name for it; empty where there is none. */
  readonly label: string
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** No release with a lower number may run any more. */
  readonly floor: number
  readonly modules: readonly ModuleToRelease[]
  /** How it is to be brought to the fleet; left out where the author leaves that to the gateway. */
  readonly rollout?: RolloutPolicy | null
  /** Left out where only its hints count. */
  readonly follow?: Release['follow']
}

/**
 * The release of built modules: each with its digests and what it needs, read from its own bytes. Throws what `analyse` throws, `wasi-refused`, `link-hint-unknown`, `wasm-memory`
 * where a module asks for more memory at first than it may have, all with the module's name; and `link-unresolvable`.
 */
export function makeRelease(wanted: ReleaseToMake, crypto: Pick<Crypto, 'sha256'>): Release {
  const { modules, rollout = null, follow = null, ...rest } = wanted
  const described = modules.map((module) => describeModule(module, crypto).described)
  checkLinks(rest.app, described)
  return {
    ...rest,
    modules: described,
    files: null,
    rollout,
    follow,
  }
}

/** The payload to be signed, and from whose SHA-256 the release has its digest. Throws `bytes-too-long` for an app with too many words. */
export const releasePayload = (made: Release): Uint8Array<ArrayBuffer> => release.encode(made)

/** The release as it is pushed: COSE_Sign by every signer. */
export const signRelease = (payload: Uint8Array, signers: readonly Signer[]): Uint8Array<ArrayBuffer> =>
  signMany(payload, 'release', signers)

export interface DescribedModule {
  readonly described: ReleaseModule
  /** The core form; null where the component has none. */
  readonly core: Uint8Array | null
}

/** What a release says of a module: the author computes it, and the gateway again from the same bytes. */
export function describeModule(module: ModuleToRelease, crypto: Pick<Crypto, 'sha256'>): DescribedModule {
  const { name, component, spec } = module
  try {
    const { analysis, core } = analyse(component)
    checkWasi(analysis.world)
    const described = {
      name,
      component: { digest: crypto.sha256(component), size: component.length },
      core: core === null ? null : { digest: crypto.sha256(core), size: core.length },
      world: analysis.world,
      memory: analysis.memory,
      features: analysis.features,
      spec: {
        ...spec,
        limits: { ...spec.limits, memoryBytes: memoryLimit(spec.limits, analysis.memory) },
        links: spec.links?.map((hint) => resolveHint(hint, analysis.world)) ?? null,
      },
    }
    return { described, core }
  } catch (error) {
    if (!(error instanceof HyphaError)) throw error
    const { code, message, where, mend } = error
    throw new HyphaError(code, `${name}: ${message}`, { ...(where === undefined ? {} : { where }), mend, cause: error })
  }
}

/**
 * What one instance may have: to the byte where the module promises an end, else in whole pages, and never more than the module itself can use.
 */
function memoryLimit({ memoryBytes }: Limits, { initialBytes, maximumBytes, endBytes }: MemoryNeed): number {
  if (endBytes !== null) return endBytes
  const limit = Math.min(Math.ceil(memoryBytes / pageBytes) * pageBytes, maximumBytes ?? Number.POSITIVE_INFINITY)
  if (initialBytes <= limit) return limit
  throw new HyphaError('wasm-memory', `it asks for ${initialBytes} bytes of memory at first, and may have ${limit}`, {
    where: 'memory',
    mend: `Set memory to at least ${Math.ceil(initialBytes / 1024)} KiB in hypha.toml, or build it with less.`,
  })
}

/** The hint with the interface as the module imports it: authors leave its version out. */
function resolveHint(hint: LinkHint, { imports }: World): LinkHint {
  const linked = imports.map(({ name }) => name).filter((name) => !/^(hypha:host|wasi:[a-z-]+)\//.test(name))
  const named = linked.find((name) => name === hint.interface || bareName(name) === hint.interface)
  if (named !== undefined) return { ...hint, interface: named }
  const meant = nearest(hint.interface, linked.map(bareName))
  throw new HyphaError('link-hint-unknown', `hypha.toml has a link for ${hint.interface}, which it doesn't import`, {
    where: 'link',
    mend:
      meant === null ? `It imports of other modules: ${linked.join(', ') || 'nothing'}.` : `Did you mean "${meant}"?`,
  })
}
