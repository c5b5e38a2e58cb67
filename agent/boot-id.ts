import { readFileSync } from 'node:fs'
import { systemClock } from '@hypha/core/platform/clock.ts'

/** Names the boot of this machine. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Without one (macOS), each start counts as a boot: a gap may be reported that is none, never the other way round.
    return String(systemClock.now())
  }
}
