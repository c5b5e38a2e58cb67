import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import type { DirectiveInstance, Section, Setting } from '@hypha/core/trust/directive.ts'
import { artifactOf, filesFor } from '@hypha/core/trust/shape.ts'
import type { PlannedInstance } from '../plan.ts'
import type { DirectApp, DirectInput, DirectNode } from './input.ts'

/** The part of a node's directive that concerns one app, before it has an epoch and its contents a way to travel. */
export interface SectionDraft extends Omit<Section, 'epoch' | 'contents'> {
  readonly needed: readonly { readonly digest: Uint8Array; readonly size: number }[]
}

/** What a node is to run of a plan: not what another node has, or has not let go of. [P 13.3] */
export const instancesOn = (node: string, { plan, holders }: Pick<DirectApp, 'plan' | 'holders'>): PlannedInstance[] =>
  plan.instances.filter((instance) => {
    const holder = holders?.get(spotOf(instance))
    return instance.node === node && (holder === undefined || (holder.ready && holder.node === node))
  })

const spotOf = ({ module, home }: { readonly module: string; readonly home: string | null }) =>
  `${module}@${home ?? ''}`

/** Where a callee is to be called: at the node that has it until it was given on, for that answers what has begun there; from a node that it is leaving, where it goes to. [P 13.8] */
function reachable(
  provider: PlannedInstance['links'][number]['provider'],
  node: string,
  { holders }: Pick<DirectApp, 'holders'>,
) {
  if (provider.kind !== 'instance') return provider
  const holder = holders?.get(spotOf(provider))
  if (holder === undefined || (holder.ready && holder.node === provider.node)) return provider
  return { ...provider, node: holder.node === node ? holder.elsewhere : holder.node }
}

/** Digests are of different bytes: each names its instance. */
const statesOf = ({ holders }: Pick<DirectApp, 'holders'>, planned: readonly PlannedInstance[]) =>
  planned.flatMap((instance) => holders?.get(spotOf(instance))?.state ?? [])

export function draftSection(
  app: Omit<DirectApp, 'epoch'>,
  planned: readonly PlannedInstance[],
  node: DirectNode,
  input: DirectInput,
): SectionDraft {
  const states = statesOf(app, planned)
  const instances = planned.map(({ module, home, form, links }) => ({
    module,
    home,
    form,
    links: links.map(({ interface: name, provider }) => ({
      interface: name,
      provider: reachable(provider, node.id, app),
    })),
    config: input.settings({ app: app.plan.app, module, node: node.id }),
  }))
  return {
    app: app.plan.app,
    release: app.digest,
    envelope: app.envelope.digest,
    phase: 'run',
    wave: null,
    chosenMs: app.chosenMs ?? null,
    leased: leasedOf(planned),
    served: null,
    devices: null,
    states: states.length === 0 ? null : states,
    instances,
    needed: [...contentsOf(app, instances, node), ...states.map(({ digest, size }) => ({ digest, size }))],
  }
}

function leasedOf(planned: readonly PlannedInstance[]): Section['leased'] {
  const leased = planned.filter((each) => each.leased).map(({ module, home }) => ({ module, home }))
  return leased.length === 0 ? null : leased
}

/** The envelope first, then each artifact once, however many instances run it, and a built-in app's files for the node's architecture. */
function contentsOf(
  app: Omit<DirectApp, 'epoch'>,
  instances: readonly DirectiveInstance[],
  { installs }: DirectNode,
): SectionDraft['needed'] {
  const needed = new Map([[toHex(app.envelope.digest), app.envelope]])
  for (const instance of instances) {
    const { digest, size } = artifactOf(app.release, instance)
    needed.set(toHex(digest), { digest, size })
  }
  for (const { artifact } of filesFor(app.release, installs?.arch ?? '')) needed.set(toHex(artifact.digest), artifact)
  return [...needed.values()]
}

export function finishSection(draft: SectionDraft, epoch: number, node: string, input: DirectInput): Section {
  const { needed, ...rest } = draft
  return {
    ...rest,
    epoch,
    contents: needed.map((content) => ({ ...content, transfer: input.transfer(node, content) })),
  }
}

/** Whether a section says what a draft says, whatever its epoch and however its contents travel. */
export function says(section: Section, draft: SectionDraft): boolean {
  return bytesEqual(comparable(section, section.contents), comparable(draft, draft.needed))
}

/** The section with its links to other nodes as a draft has them, where that is all that differs: callers follow a callee that has moved, and nothing of them is started anew. [P 12.6] */
export function relinked(section: Section, draft: SectionDraft): Section {
  return JSON.stringify(linkNodes(section)) === JSON.stringify(linkNodes(draft))
    ? section
    : { ...section, instances: draft.instances }
}

const linkNodes = ({ instances }: Pick<Section, 'instances'>) =>
  instances.map(({ links }) => links.map(({ provider }) => (provider.kind === 'instance' ? provider.node : null)))

/** The section with the draft's envelope, where nothing but the signatures on its release differs; null where more does. */
export function resigned(section: Section, draft: SectionDraft, node: string, input: DirectInput): Section | null {
  if (bytesEqual(section.envelope, draft.envelope) || !bytesEqual(section.release, draft.release)) return null
  const envelope = draft.needed[0]!
  const again = {
    ...section,
    envelope: draft.envelope,
    contents: section.contents.map((content) =>
      bytesEqual(content.digest, section.envelope)
        ? { ...envelope, transfer: input.transfer(node, envelope) }
        : content,
    ),
  }
  return says(again, draft) ? again : null
}

type Common = Omit<Section, 'epoch' | 'contents'>

function comparable(section: Common, contents: readonly { readonly digest: Uint8Array }[]): Uint8Array {
  const { app, phase, release, envelope, instances, leased } = section
  const under = (leased ?? []).map(({ module, home }) => [module, home])
  const here = new Set(instances.map(spotName))
  const parts = instances.map((instance) => instanceParts(instance, here))
  return encodeCbor([app, phase, release, envelope, parts, under, contents.map(({ digest }) => digest)])
}

const spotName = ({ module, home }: { readonly module: string; readonly home: string | null }): string =>
  `${module}@${home ?? ''}`

function instanceParts({ module, home, form, links, config }: DirectiveInstance, here: ReadonlySet<string>): unknown[] {
  const linkParts = links.map(({ interface: name, provider }) =>
    provider.kind === 'host'
      ? [name]
      : provider.kind === 'device'
        ? [name, provider.module]
        : [name, here.has(spotName(provider)) ? provider.node : '', provider.module, provider.home],
  )
  const keys = Object.keys(config).sort()
  return [module, home, form, linkParts, keys.map((key) => [key, ...settingParts(config[key]!)])]
}

const settingParts = (setting: Setting): unknown[] =>
  setting.kind === 'plain' ? [setting.value] : [setting.senderKey, setting.nonce, setting.box]
