import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Language } from './compile.ts'
import { packageVersion, sdkDir } from './sdk.ts'

const maxFiles = 10_000

const extensions: Readonly<Record<Language, RegExp>> = {
  assemblyscript: /\.ts$/,
  c: /\.[ch]$/,
  rust: /\.rs$|^Cargo\.(toml|lock)$/,
  prebuilt: /\.wasm$/,
}
const skipped = new Set(['node_modules', 'target', 'build', '.git'])

const sdkFolders: Readonly<Record<Language, string | null>> = {
  assemblyscript: 'assemblyscript',
  c: 'c',
  rust: 'rust',
  prebuilt: null,
}
const compilers: Readonly<Record<Language, string | null>> = {
  assemblyscript: 'assemblyscript',
  c: '@yowasp/clang',
  rust: null,
  prebuilt: null,
}

/** Digests of what a module is built from. One for a whole build: what modules share is read once. */
export class InputDigests {
  readonly #shared = new Map<string, string>()
  readonly #appDir: string

  constructor(appDir: string) {
    this.#appDir = appDir
  }

  /**
   * SHA-256, in hex, of all that decides what comes out: the sources in the module's folder, other files that the compiler has read
   * (`extra`), the app's WIT, the SDK, the compiler's version, and `settings`.
   */
  of(language: Language, source: string, extra: readonly string[], settings: string): string {
    const hash = createHash('sha256')
    hash.update(JSON.stringify([this.#tools(language), this.#folder(join(this.#appDir, 'wit'), /\.wit$/), settings]))
    const files = source.endsWith('.wasm') ? [source] : listFiles(source, extensions[language])
    for (const file of [...files, ...extra.map((path) => join(this.#appDir, path))]) {
      const name = relative(this.#appDir, file)
      hash.update(`\n${name}\n`)
      hash.update(contentDigest(file))
    }
    return hash.digest('hex')
  }

  #tools(language: Language): string {
    return this.#once(`tools ${language}`, () => {
      const sdk = sdkFolders[language]
      const compiler = compilers[language]
      return JSON.stringify([
        packageVersion('@bytecodealliance/jco'),
        compiler === null ? '' : packageVersion(compiler),
        language === 'c' ? (process.env.HYPHA_CLANG ?? '') : '',
        this.#folder(join(sdkDir, 'wit'), /\.wit$/),
        sdk === null ? '' : this.#folder(join(sdkDir, sdk), extensions[language]),
      ])
    })
  }

  #folder(dir: string, pattern: RegExp): string {
    return this.#once(dir, () => {
      const hash = createHash('sha256')
      for (const file of listFiles(dir, pattern)) hash.update(`${relative(dir, file)}\n${contentDigest(file)}\n`)
      return hash.digest('hex')
    })
  }

  #once(key: string, make: () => string): string {
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    const made = make()
    this.#shared.set(key, made)
    return made
  }
}

/** A file's SHA-256 in hex; a file that is gone has one of its own, so that its absence is a change. */
function contentDigest(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'gone'
    throw cause
  }
}

/** Files below a folder whose names match, sorted by path; outputs and packages of others are passed over. */
function listFiles(dir: string, pattern: RegExp, found: string[] = []): string[] {
  let entries: import('node:fs').Dirent[]
  try {
    entries = readdirSync(dir, { withFileTypes: true })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return found
    throw cause
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) listFiles(path, pattern, found)
    } else if (pattern.test(entry.name) && found.length < maxFiles) found.push(path)
  }
  return found
}
