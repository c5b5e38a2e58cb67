import type { Section } from '@hypha/core/trust/directive.ts'
import type { DirectInput, DirectNode } from './input.ts'

/** The section with other transfers in place of patches, where the node has refused it for one of them; else as it is. [P 7.7] */
export function choosingAgain(section: Section, node: DirectNode, input: DirectInput): Section {
  if (node.refusedPatches?.get(section.app) !== section.epoch || node.carried?.has(section.app)) return section
  if (section.contents.every(({ transfer }) => transfer.base === null)) return section
  const contents = section.contents.map((content) =>
    content.transfer.base === null ? content : { ...content, transfer: input.transfer(node.id, content) },
  )
  return { ...section, contents }
}
