import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The SDK's folder: contract, guest-side libraries, templates. */
export const sdkDir = fileURLToPath(new URL('../../../sdk', import.meta.url))

/** The folders of the contract's WIT files. */
export const sdkWitDirs: readonly string[] = [join(sdkDir, 'wit/host'), join(sdkDir, 'wit/module')]

/** The version of an installed npm package, without loading the package itself. */
export function packageVersion(name: string): string {
  const entry = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const folder of entry) {
    try {
      const { version } = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as { version: string }
      return version
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    }
  }
  return 'none'
}
