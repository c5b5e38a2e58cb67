import { mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What the launcher waits at most, in seconds. */
const patienceS = 60

/**
 * The sign of life that the launcher waits for: another line in `run/alive` every few seconds, from this process's own event loop and only while `alive` says that what
 * it is there for goes on. It is compared with the line before and with no clock: a device's may jump. The result ends it; whoever doesn't end soon after is killed.
 */
export function beat(home: string, alive: () => boolean, onProblem: (error: unknown) => void): () => void {
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 })
  const file = openSync(join(home, 'run', 'alive'), 'w', 0o600)
  let count = 0
  const beatMs = ((Number(process.env.HYPHA_WATCHDOG_S) || patienceS) * 1_000) / 6
  const write = (): void => {
    if (!alive()) return
    try {
      // Always as long and in the same place, so that it needs no room on a disk that is full.
      writeSync(file, `${String(process.pid).padStart(10)} ${String(count++).padStart(10)}\n`, 0)
    } catch (error) {
      onProblem(error)
    }
  }
  write()
  const timer = setInterval(write, beatMs)
  return () => clearInterval(timer)
}
