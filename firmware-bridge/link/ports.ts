import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '@hypha/core/ports/clock.ts'

// Which ports there are. serialport can list them only with udevadm, which small systems lack; names in /dev are there wherever there are ports.

/** Names that serial adapters and boards get from Linux. */
export const usualPorts = ['/dev/ttyUSB*', '/dev/ttyACM*'] as const

/** How often folders are looked at, though they say by themselves when something changes. */
const lookEveryMs = 2_000

/** Paths by `wanted` that exist. In a path's last part, `*` stands for any characters. */
export function findPorts(wanted: readonly string[]): string[] {
  const found = wanted.flatMap((pattern) => {
    const parts = basename(pattern)
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    const matches = new RegExp(`^${parts.join('.*')}$`)
    return namesIn(dirname(pattern))
      .filter((name) => matches.test(name))
      .map((name) => join(dirname(pattern), name))
  })
  return [...new Set(found)].sort()
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    // A folder such as /dev/serial/by-id is there only while a port is.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Calls `changed` at once and whenever other ports are there; the result ends that. */
export function watchPorts(
  wanted: readonly string[],
  clock: Clock,
  changed: (paths: readonly string[]) => void,
): () => void {
  let last: string | null = null
  let cancel: () => void = () => undefined
  const look = () => {
    cancel()
    cancel = clock.after(lookEveryMs, look)
    const paths = findPorts(wanted)
    if (paths.join('\n') === last) return
    last = paths.join('\n')
    changed(paths)
  }
  const watchers = [...new Set(wanted.map((path) => dirname(path)))].flatMap((folder) => watched(folder, look))
  look()
  return () => {
    cancel()
    for (const watcher of watchers) watcher.close()
  }
}

/** A folder that can't be watched is looked at now and then all the same. */
function watched(folder: string, look: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, look)
    watcher.on('error', () => watcher.close())
    return [watcher]
  } catch {
    return []
  }
}
