import { HyphaError } from '@hypha/core/errors.ts'
import { type LinkableModule, type LinkFault, linkModules } from '@hypha/core/wasm/linking.ts'

/**
 * Holds the modules of an app against each other, as the gateway's placement will link them: what only the author can mend is said before anything is signed, and again when it is accepted. Throws `link-unresolvable` with a
 * sentence for each fault.
 */
export function checkLinks(app: string, modules: readonly LinkableModule[]): void {
  const faults = [...linkModules(modules).values()].flatMap((each) => each.faults)
  const [first] = faults
  if (first === undefined) return
  throw new HyphaError(
    'link-unresolvable',
    `The modules of ${app} don't fit together: ${[...new Set(faults.map(sentence))].join('; ')}`,
    {
      where: first.module,
    },
  )
}

/** A circle is a fault of each of its modules: said once, from its first one on. */
function sentence({ cycle, text }: LinkFault): string {
  if (cycle === undefined) return text
  const [first] = [...cycle].sort()
  const at = cycle.indexOf(first!)
  const round = [...cycle.slice(at), ...cycle.slice(0, at)]
  return `their links go round in a circle: ${[...round, first].join(' → ')}`
}
