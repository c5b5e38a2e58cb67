import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** Two versions of one module: `file:PATH`, relative to the list, or `npm:NAME@VERSION/PATH`. */
interface PairEntry {
  readonly id: string
  readonly old: string
  readonly new: string
  readonly toolchain: 'same' | 'changed'
  /** Whether the table that a coder begins with was trained on it: such pairs are reported apart. */
  readonly trained?: boolean
  /** Left to the long form without being fetched. */
  readonly large?: boolean
}

export interface Pair {
  readonly id: string
  readonly sameToolchain: boolean
  readonly trained: boolean
  readonly old: Uint8Array
  readonly now: Uint8Array
}

export interface Pairs {
  readonly pairs: readonly Pair[]
  /** Why pairs are passed over, by id. */
  readonly missing: Readonly<Record<string, string>>
}

/** The pairs of a list; those larger than `maxBytes` are passed over, as those that can't be had. */
export function loadPairs(list: string, maxBytes: number, wanted: (entry: PairEntry) => boolean = () => true): Pairs {
  const entries = JSON.parse(readFileSync(list, 'utf8')) as PairEntry[]
  const pairs: Pair[] = []
  const missing: Record<string, string> = {}
  for (const entry of entries.filter(wanted)) {
    if (entry.large && maxBytes < Number.POSITIVE_INFINITY) {
      missing[entry.id] = 'large: only in the long form'
      continue
    }
    try {
      const [old, now] = [load(entry.old, dirname(list)), load(entry.new, dirname(list))]
      if (now.length > maxBytes) missing[entry.id] = `larger than ${maxBytes} bytes: only in the long form`
      else
        pairs.push({
          id: entry.id,
          sameToolchain: entry.toolchain === 'same',
          trained: entry.trained ?? false,
          old,
          now,
        })
    } catch (error) {
      missing[entry.id] = (error as Error).message.split('\n')[0]!
    }
  }
  return { pairs, missing }
}

function load(source: string, folder: string): Uint8Array {
  const file = source.startsWith('file:') ? resolve(folder, source.slice('file:'.length)) : unpacked(source)
  return new Uint8Array(readFileSync(file))
}

const cache = join(tmpdir(), 'hypha-bench-delta')

/** A file of a package, which is fetched once. */
function unpacked(source: string): string {
  const [, name, version, path] = /^npm:(@?[^@]+)@([^/]+)\/(.+)$/.exec(source) ?? []
  if (path === undefined) throw new Error(`${source} should be npm:NAME@VERSION/PATH or file:PATH`)
  const folder = join(cache, `${name!.replace('/', '+')}@${version}`)
  if (!existsSync(join(folder, 'package'))) {
    mkdirSync(folder, { recursive: true })
    try {
      const options = { cwd: folder, encoding: 'utf8', stdio: 'pipe', timeout: 120_000 } as const
      const archive = execFileSync('npm', ['pack', `${name}@${version}`, '--silent'], options)
        .trim()
        .split('\n')
        .at(-1)!
      execFileSync('tar', ['xf', archive], options)
    } catch (cause) {
      rmSync(folder, { recursive: true, force: true })
      throw new Error(`npm pack ${name}@${version} failed`, { cause })
    }
  }
  return join(folder, 'package', path)
}
