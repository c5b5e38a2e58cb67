import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'

/** A table of a TOML file that is read strictly: a wrong type, an unknown key and a missing one are errors that name the key. */
export class TomlTable {
  readonly #file: string
  readonly #path: string
  readonly #entries: Readonly<Record<string, unknown>>
  readonly #read = new Set<string>()

  constructor(file: string, path: string, value: unknown) {
    this.#file = file
    this.#path = path
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
      throw this.fail('', `should be a table, written as [${path}]`)
    }
    this.#entries = value as Record<string, unknown>
  }

  fail(key: string, problem: string, mend?: string): HyphaError {
    const path = [this.#path, key].filter((part) => part !== '').join('.')
    const where = `${this.#file}: ${path === '' ? 'top level' : path}`
    return new HyphaError('node-file-invalid', `${where} ${problem}`, mend === undefined ? { where } : { where, mend })
  }

  has(key: string): boolean {
    return this.#entries[key] !== undefined
  }

  text(key: string, fallback?: string): string {
    const value = this.#take(key, fallback)
    if (typeof value !== 'string') throw this.fail(key, `should be a text in quotes${shown(value)}`)
    return value
  }

  number(key: string, fallback?: number): number {
    const value = this.#take(key, fallback)
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.fail(key, `should be a number${shown(value)}`)
    return value
  }

  flag(key: string, fallback?: boolean): boolean {
    const value = this.#take(key, fallback)
    if (typeof value !== 'boolean') throw this.fail(key, `should be true or false${shown(value)}`)
    return value
  }

  texts(key: string, fallback?: readonly string[]): readonly string[] {
    const value = this.#take(key, fallback)
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string')) {
      throw this.fail(key, `should be a list of texts, such as ["a", "b"]${shown(value)}`)
    }
    return value as string[]
  }

  /** A duration such as "500ms", "2s", "5min", in milliseconds. */
  durationMs(key: string, fallback?: number): number {
    if (fallback !== undefined && !this.has(key)) return this.#take(key, fallback) as number
    const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min|h)$/.exec(this.text(key))
    if (match === null) throw this.fail(key, 'should be a duration such as "500ms", "2s", "5min" or "1h"')
    return Number(match[1]) * { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'min' | 'h']
  }

  /** A size such as "64MiB", in bytes. */
  sizeBytes(key: string, fallback?: number): number {
    if (fallback !== undefined && !this.has(key)) return this.#take(key, fallback) as number
    const match = /^(\d+)\s*(KiB|MiB|GiB)$/.exec(this.text(key))
    if (match === null) throw this.fail(key, 'should be a size such as "512KiB", "64MiB" or "1GiB"')
    return Number(match[1]) * { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[match[2] as 'KiB' | 'MiB' | 'GiB']
  }

  table(key: string): TomlTable {
    return new TomlTable(this.#file, [this.#path, key].filter((part) => part !== '').join('.'), this.#take(key))
  }

  keys(): string[] {
    return Object.keys(this.#entries)
  }

  /** Called last: whatever was not asked for isn't known. */
  end(): void {
    for (const key of Object.keys(this.#entries)) {
      if (this.#read.has(key)) continue
      const known = [...this.#read].sort().join(', ')
      const meant = nearest(key, [...this.#read])
      throw this.fail(
        key,
        'is not known here',
        `${meant === null ? '' : `Did you mean ${meant}? `}Known are: ${known}.`,
      )
    }
  }

  #take(key: string, fallback?: unknown): unknown {
    this.#read.add(key)
    const value = this.#entries[key] ?? fallback
    if (value === undefined) throw this.fail(key, 'is missing')
    return value
  }
}

const shown = (value: unknown): string => `, is ${JSON.stringify(value)?.slice(0, 60) ?? typeof value}`
