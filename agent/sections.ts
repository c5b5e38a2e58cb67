import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { type Section, section as sectionCodec } from '@hypha/core/trust/directive.ts'

// How sections of directives are held against one another, and against what is installed.

/** Whether something installed, or given up, is of the section's release and epoch. */
export const isOf = (installed: { readonly epoch: number; readonly release: string }, section: Section): boolean =>
  installed.epoch === section.epoch && installed.release === toHex(section.release)

export const sameSection = (a: Section, b: Section): boolean => bytesEqual(bytesOf(a), bytesOf(b))

/** Whether two sections ask for the same to be run in the same epoch, now or from an instant on, however its contents get here. */
export const sameWork = (a: Section, b: Section): boolean => bytesEqual(bytesOf(work(a)), bytesOf(work(b)))

/** The section without its envelope. */
export const unsigned = (section: Section): Section => ({
  ...section,
  envelope: section.release,
  contents: section.contents.filter(({ digest }) => !bytesEqual(digest, section.envelope)),
})

/** A callee on another node may be on yet another: that is no other work for who calls it. */
function linksOf({ instances }: Section): Section['instances'] {
  const here = new Set(instances.map(({ module, home }) => `${module}@${home ?? ''}`))
  return instances.map((instance) => ({
    ...instance,
    links: instance.links.map(({ interface: name, provider }) => {
      const away = provider.kind === 'instance' && !here.has(`${provider.module}@${provider.home ?? ''}`)
      return { interface: name, provider: away ? { ...provider, node: 'elsewhere' } : provider }
    }),
  }))
}

function work(section: Section): Section {
  const contents = section.contents
    .map(({ digest, size }) => ({
      digest,
      size,
      transfer: { encoding: 'identity' as const, base: null, digest, size, via: null },
    }))
    .sort((a, b) => (toHex(a.digest) < toHex(b.digest) ? -1 : 1))
  const alike = { ...section, instances: linksOf(section) }
  return { ...alike, phase: 'run', wave: null, chosenMs: null, served: null, devices: null, states: null, contents }
}

const bytesOf = (section: Section): Uint8Array => encodeCbor(sectionCodec.toItem(section))
