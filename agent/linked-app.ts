import type { Section } from '@hypha/core/trust/directive.ts'
import type { LinkedApp } from './calls/ports.ts'
import type { RunningApp } from './running-app.ts'

/**
 * An app as calls see it: who may call what runs stands in the newest directive's section of that epoch, since it changes without anything being activated; where that section is gone, as it was
 * when it was installed.
 */
export function linkedApp(running: RunningApp | null, sections: readonly Section[]): LinkedApp {
  const epoch = running?.section.epoch ?? -1
  const current = sections.find((section) => section.epoch === epoch) ?? running?.section ?? null
  const next = sections.filter((section) => section.epoch > epoch).at(-1) ?? null
  // Where what runs is about to give way, its turns call whoever is to be called then.
  const linking = sections.find((each) => each.epoch === epoch) ?? sections.find(({ phase }) => phase === 'run')
  return {
    served: current?.served ?? [],
    next: next === null ? null : (next.served ?? []),
    devices: (current ?? next)?.devices ?? [],
    nodeOf(caller, name) {
      const instance = linking?.instances.find((each) => each.module === caller.module && each.home === caller.home)
      const provider = instance?.links.find((link) => link.interface === name)?.provider
      return provider?.kind === 'instance' ? provider.node : null
    },
    leaves: ({ module, home }) => {
      const newest = next ?? current
      return !newest?.instances.some((each) => each.module === module && each.home === home)
    },
    callees: running?.prepared ?? null,
  }
}
