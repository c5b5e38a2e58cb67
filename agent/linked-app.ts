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
  return {
    served: current?.served ?? [],
    next: next === null ? null : (next.served ?? []),
    devices: (current ?? next)?.devices ?? [],
    callees: running?.prepared ?? null,
  }
}
