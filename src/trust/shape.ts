import { toHex } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import { instanceName, isBuiltIn } from '../wire/ids.ts'
import type { Content, Directive, Section } from './directive.ts'
import { isSoundPublicKey } from './ed25519-checks.ts'
import type { Artifact, Release, ReleaseFile, ReleaseModule } from './release.ts'
import { checkRollout } from './rollout-shape.ts'
import type { RootMetadata } from './root.ts'

/** Above it a hint's rate is a slip. */
export const maxLinkRatePerS = 1_000_000

// What signed metadata must fulfil beyond its schema. A signature says who wrote it, not that it makes sense.

/** Throws `root-unusable`: a role that can't be met, or the gateway's online key in a role that must be offline. */
export function checkRoot(root: RootMetadata): void {
  for (const name of ['root', 'release', 'gateway'] as const) {
    const { threshold, keys } = root[name]
    const distinct = new Set(keys.map(toHex)).size
    if (distinct !== keys.length) throw unusable(root, `the ${name} role lists a key twice`)
    if (threshold > distinct) throw unusable(root, `the ${name} role asks for ${threshold} of ${distinct} keys`)
    if (!keys.every(isSoundPublicKey)) throw unusable(root, `the ${name} role lists a key that Ed25519 must refuse`)
  }
  const { authorities } = root
  if (authorities?.length === 0)
    throw unusable(root, 'it lists no certificate authority that a gateway could be believed by')
  if (authorities && new Set(authorities.map(toHex)).size !== authorities.length) {
    throw unusable(root, 'it lists a certificate authority twice')
  }
  // A directive is a COSE_Sign1, and so are its counters those of one key.
  if (root.gateway.threshold !== 1) {
    throw unusable(root, `the gateway role asks for ${root.gateway.threshold} signatures, and a directive has one`)
  }
  // DESIGN, "two signatures": one stolen key must never be able to give both.
  const online = new Set(root.gateway.keys.map(toHex))
  if ([...root.root.keys, ...root.release.keys].some((key) => online.has(toHex(key)))) {
    throw unusable(root, 'a key of the gateway is also a key of the root or the release role')
  }
}

/** Throws `metadata-invalid`: something is named twice, or the times can't be. */
export function checkDirective(directive: Directive): void {
  const { sections, issuedMs, expiresMs, leave } = directive
  if (expiresMs < issuedMs) throw invalid('The directive expires before it was issued')
  if (leave && sections.length > 0) throw invalid('The directive says to leave, and what to run')
  once(sections, ({ app, phase }) => `${app} to ${phase}`, 'The directive has two sections of')
  for (const section of sections) {
    checkPhase(section, sections)
    const name = (instance: Section['instances'][number]) => instanceName({ app: section.app, ...instance })
    once(section.instances, name, 'The directive has two instances')
    once(section.contents, contentName, 'The directive lists a content twice:')
    for (const instance of section.instances) {
      once(instance.links, (link) => link.interface, `${name(instance)} has two links for`)
    }
  }
}

function checkPhase({ app, phase, wave, epoch }: Section, sections: readonly Section[]): void {
  if ((phase === 'prepare') !== (wave !== null))
    throw invalid(`The directive has a section of ${app} to ${phase} ${wave === null ? 'without a' : 'in a'} wave`)
  const runs = sections.find((other) => other.app === app && other.phase === 'run')
  if (phase === 'prepare' && runs !== undefined && epoch <= runs.epoch)
    throw invalid(`Epoch ${epoch} of ${app} is to be prepared, and epoch ${runs.epoch} is to run`)
}

/** Throws `metadata-invalid`: something is named twice, the release is below its own floor, its rollout can't be followed, or it has files or modules that its app can't have. */
export function checkRelease(release: Release): void {
  once(release.modules, (module) => module.name, 'The release has two modules')
  once(release.files ?? [], ({ name, arch }) => `${name} for ${arch ?? 'any'}`, 'The release has two files')
  const { app, files, modules } = release
  // Whoever may push an app must not be able to replace the program that runs it. [P 6.2]
  if (!isBuiltIn(app) && files !== null)
    throw invalid(`${app} has files, and only programs of Hypha itself may have any`)
  if (isBuiltIn(app) && (files === null || files.length === 0 || modules.length > 0)) {
    throw invalid(`${app} is a program of Hypha itself: its releases have files, and no modules`)
  }
  if (release.floor > release.number) {
    throw invalid(`Release ${release.number} of ${release.app} sets the floor to ${release.floor}, above itself`)
  }
  for (const module of modules) checkLinkHints(module)
  checkRollout(release)
}

function checkLinkHints({ name, spec }: ReleaseModule): void {
  const hints = spec.links ?? []
  once(hints, (hint) => hint.interface, `${name} has two hints for the link`)
  const odd = hints.find(({ ratePerS }) => ratePerS !== null && !(ratePerS > 0 && ratePerS <= maxLinkRatePerS))
  if (!odd) return
  throw invalid(`${name} calls ${odd.interface} ${odd.ratePerS} times a second, not more than 0 and up to 1,000,000`)
}

/**
 * Holds a section against its release: every instance is of a module and a form that the release has, everything that it needs is listed, and nothing is
 * listed that the release hasn't signed; but for what instances go on from, which is data and names whose. Throws `content-unlisted`, `content-missing`, `size-mismatch`.
 */
export function checkSection(section: Section, release: Release): void {
  const signed = [...release.modules.flatMap(artifactsOf), ...(release.files ?? []).map(({ artifact }) => artifact)]
  const listable = [...(section.states ?? []), ...signed]
  const artifacts = new Map(listable.map((artifact) => [toHex(artifact.digest), artifact]))
  const envelope = toHex(section.envelope)
  for (const content of section.contents) {
    const name = contentName(content)
    if (name === envelope) continue
    const artifact = artifacts.get(name)
    const where = `content ${name}`
    if (!artifact) {
      throw new HyphaError('content-unlisted', `${where} of ${section.app} is in no release signed for it`, { where })
    }
    if (artifact.size !== content.size) {
      throw new HyphaError(
        'size-mismatch',
        `${where} has ${content.size} bytes by the directive, ${artifact.size} by the release`,
        { where },
      )
    }
  }
  const listed = new Set(section.contents.map(contentName))
  for (const instance of section.instances) {
    const where = instanceName({ app: section.app, ...instance })
    if (!listed.has(toHex(artifactOf(release, instance).digest))) {
      throw new HyphaError('content-missing', `${where} needs a content that its section doesn't list`, { where })
    }
  }
  checkStates(section, listed)
}

/** What an instance is to go on from is listed, and the instance is there. */
function checkStates({ app, instances, states }: Section, listed: ReadonlySet<string>): void {
  const nameOf = ({ module, home }: { module: string; home: string | null }) => instanceName({ app, module, home })
  const names = new Set(instances.map(nameOf))
  for (const state of states ?? []) {
    const where = nameOf(state)
    if (names.has(where) && listed.has(toHex(state.digest))) continue
    throw new HyphaError('content-missing', `${where} is to go on from a state that its section doesn't have`, {
      where,
    })
  }
}

/** The bytes that an instance runs. Throws `content-unlisted` where the release has no such module or form. */
export function artifactOf(release: Release, instance: Section['instances'][number]): Artifact {
  const module = release.modules.find((candidate) => candidate.name === instance.module)
  const artifact = instance.form === 'core' ? module?.core : module?.component
  if (artifact) return artifact
  const what = module ? `no ${instance.form} form of the module ${module.name}` : `no module ${instance.module}`
  throw new HyphaError('content-unlisted', `Release ${release.number} of ${release.app} has ${what}`)
}

/** What a node of an architecture (as Node names it) installs of a built-in app. */
export const filesFor = (release: Release, arch: string): ReleaseFile[] =>
  (release.files ?? []).filter((file) => file.arch === null || file.arch === arch)

const artifactsOf = (module: ReleaseModule): Artifact[] =>
  module.core === null ? [module.component] : [module.component, module.core]

const contentName = (content: Content) => toHex(content.digest)

const invalid = (message: string) => new HyphaError('metadata-invalid', message)

const unusable = (root: RootMetadata, why: string) =>
  new HyphaError('root-unusable', `Root metadata version ${root.version}: ${why}`)

function once<T>(items: readonly T[], nameOf: (item: T) => string, complaint: string): void {
  const seen = new Set<string>()
  for (const name of items.map(nameOf)) {
    if (seen.has(name)) throw invalid(`${complaint} ${name}`)
    seen.add(name)
  }
}
