import { fromUtf8, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { DirectiveInstance, Setting } from '@hypha/core/trust/directive.ts'
import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { openSealed } from '@hypha/core/trust/seal.ts'
import { artifactOf } from '@hypha/core/trust/shape.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { RunnableInstance, RunnableModule, RunnableSection } from '../turns.ts'
import { type ContentOf, checkContent, checkVerified, load, type VerifiedRelease } from './verifier.ts'

/** The text of a setting that was sealed to this node; null where it can't be opened. */
export type OpenSetting = (sealed: Extract<Setting, { kind: 'sealed' }>) => string | null

/** Opens settings with the node's X25519 secret key (32 bytes). */
export const openWith =
  (boxSecret: Uint8Array): OpenSetting =>
  (sealed) => {
    const plain = openSealed(sealed, boxSecret)
    return plain === null ? null : fromUtf8(plain)
  }

/**
 * A verified section as it is run: the bytes of each module that has an instance, and each instance's links and settings. The bytes are hashed once more
 * as they are read, so that what runs is what was signed whatever happened to the disk in between. Throws `import-not-linked`, `link-invalid`,
 * `setting-sealed-wrong`, `content-missing`, `digest-mismatch`, `metadata-invalid`.
 */
export function runnable(
  verified: VerifiedRelease,
  contentOf: ContentOf,
  openSetting: OpenSetting,
  crypto: Pick<Crypto, 'sha256'>,
): RunnableSection {
  checkVerified(verified)
  const { section, release } = verified
  const modules = new Map<string, RunnableModule>()
  for (const instance of section.instances) {
    const known = modules.get(instance.module)
    if (known && known.form !== instance.form) {
      throw new HyphaError('metadata-invalid', `The directive runs ${section.app}/${instance.module} in two forms`)
    }
    if (!known) modules.set(instance.module, runnableModule(release, instance, contentOf, crypto))
  }
  return {
    app: section.app,
    epoch: section.epoch,
    release: toHex(section.release),
    releaseNumber: release.number,
    modules,
    instances: section.instances.map((instance) => runnableInstance(verified, instance, openSetting)),
    isolated: new Set(release.modules.flatMap(({ name, spec }) => (spec.isolate ? [name] : []))),
    leased: section.leased ?? [],
  }
}

function runnableModule(
  release: Release,
  instance: DirectiveInstance,
  contentOf: ContentOf,
  crypto: Pick<Crypto, 'sha256'>,
): RunnableModule {
  const { digest } = artifactOf(release, instance)
  const bytes = load(release.app, digest, contentOf)
  checkContent(release.app, digest, bytes, crypto)
  const { name, world, spec } = moduleOf(release, instance.module)
  const { limits, timerMs, subscribe, publish, httpHosts, isolate, links } = spec
  return {
    name,
    form: instance.form,
    bytes,
    digest: toHex(digest),
    world,
    limits,
    timerMs,
    subscribe,
    publish,
    httpHosts,
    isolate,
    links,
  }
}

function runnableInstance(
  verified: VerifiedRelease,
  instance: DirectiveInstance,
  openSetting: OpenSetting,
): RunnableInstance {
  const { section, release } = verified
  const name = instanceName({ app: section.app, ...instance })
  const module = moduleOf(release, instance.module)
  const settings = Object.entries(instance.config).map(([key, setting]): [string, string] => {
    const value = setting.kind === 'plain' ? setting.value : openSetting(setting)
    if (value !== null) return [key, value]
    const where = `${name}.${key}`
    throw new HyphaError('setting-sealed-wrong', `${name}: the secret ${key} is not sealed to this node`, { where })
  })
  // fromEntries defines own properties, so that a setting named "__proto__" is only a setting.
  const config = Object.fromEntries([...Object.entries(module.spec.config), ...settings])
  return { module: instance.module, home: instance.home, links: linksOf(verified, instance, module, name), config }
}

/** Deny by default: each import has exactly the link that the directive gives it, and there is no link beside. */
function linksOf(
  verified: VerifiedRelease,
  instance: DirectiveInstance,
  module: ReleaseModule,
  name: string,
): RunnableInstance['links'] {
  const imports = new Set(module.world.imports.map((imported) => imported.name))
  const links = new Map<string, RunnableInstance['links'] extends ReadonlyMap<string, infer Link> ? Link : never>()
  for (const link of instance.links) {
    if (!imports.has(link.interface)) {
      throw new HyphaError('link-invalid', `${name} is linked to ${link.interface}, which it doesn't import`)
    }
    checkProvider(verified, link, name)
    links.set(link.interface, link.provider)
  }
  const missing = [...imports].filter((imported) => !links.has(imported))
  if (missing.length > 0) {
    throw new HyphaError('import-not-linked', `${name} imports ${missing.join(', ')}, which its directive doesn't link`)
  }
  return links
}

function checkProvider(
  { section, release, node }: VerifiedRelease,
  link: DirectiveInstance['links'][number],
  name: string,
) {
  const { provider, interface: wanted } = link
  // The node's own interfaces are these; all others are the app's, which a node can't serve in a module's place.
  const ofHost = wanted.startsWith('hypha:host/') || wanted.startsWith('wasi:')
  if (ofHost !== (provider.kind === 'host')) {
    throw new HyphaError('link-invalid', `${name}: ${wanted} can't be served by ${ofHost ? 'a module' : 'the node'}`)
  }
  if (provider.kind === 'host') return
  // Which versions serve which is decided by the placement, and checked type by type where the link is made.
  const callee = release.modules.find((module) => module.name === provider.module)
  if (!callee?.world.exports.some((exported) => withoutVersion(exported.name) === withoutVersion(wanted))) {
    throw new HyphaError('link-invalid', `${name}: ${provider.module} doesn't export ${wanted}`)
  }
  if (provider.kind === 'device') return
  const here = section.instances.some(({ module, home }) => module === provider.module && home === provider.home)
  if (provider.node === node && !here) {
    const missing = instanceName({ app: section.app, ...provider })
    throw new HyphaError('link-invalid', `${name}: ${wanted} is linked to ${missing}, which doesn't run here`)
  }
}

const withoutVersion = (interfaceName: string): string => interfaceName.split('@')[0]!

/** The verified section has no instance of a module that the release lacks. */
const moduleOf = (release: Release, name: string): ReleaseModule =>
  release.modules.find((module) => module.name === name)!
