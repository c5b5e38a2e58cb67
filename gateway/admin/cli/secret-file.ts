import { rmSync, writeFileSync } from 'node:fs'

/**
 * Writes what only its owner may read. A file that is there is replaced, not written into: it may be one that others can read, or a link that somebody has laid. Throws what the
 * system throws.
 */
export function writeSecret(path: string, text: string): void {
  rmSync(path, { force: true })
  writeFileSync(path, text, { mode: 0o600, flag: 'wx', flush: true })
}
