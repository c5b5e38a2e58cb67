import { toHex } from '@hypha/core/bytes/text.ts'
import type { Travel } from '../admin/api/schemas/apps.ts'
import type { Store } from '../store/store.ts'
import type { StoredRelease } from './releases.ts'
import { reportedBy } from './reported.ts'

/** How the parts of a release come to the nodes whose directives name it by now; what a node holds already doesn't travel. */
export function travelsOf({ digest, envelope, release }: StoredRelease, store: Store): Travel[] {
  const names = new Map([
    ...release.modules.flatMap(({ name, core, component }) =>
      [component, ...(core === null ? [] : [core])].map((artifact) => [toHex(artifact.digest), name] as const),
    ),
    ...(release.files ?? []).map(({ name, artifact }) => [toHex(artifact.digest), name] as const),
  ])
  const travels = new Map<string, Travel>()
  for (const { node, directive } of store.directives.list()) {
    const contents = directive.sections
      .filter((each) => toHex(each.release) === digest)
      .flatMap((each) => each.contents)
    if (contents.length === 0) continue
    const record = store.nodes.get(node)
    const held = new Set(((record && reportedBy(record)?.contents) ?? []).map(toHex))
    for (const { digest: content, size, transfer } of contents) {
      const hex = toHex(content)
      if (hex === envelope || held.has(hex)) continue
      const { encoding } = transfer
      const key = `${hex} ${toHex(transfer.digest)}`
      const known = travels.get(key)
      const module = names.get(hex) ?? hex
      travels.set(key, { module, bytes: size, encoding, sent: transfer.size, nodes: (known?.nodes ?? 0) + 1 })
    }
  }
  return [...travels.values()]
}
