import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pair } from './pairs.ts'

interface Peer {
  readonly name: string
  /** Debian's package. */
  readonly pkg: string
  readonly make: (old: string, now: string, patch: string) => readonly string[]
  readonly apply: (old: string, patch: string, out: string) => readonly string[]
}

const zstd = (level: readonly string[]): Pick<Peer, 'make' | 'apply'> => ({
  make: (old, now, patch) => ['zstd', '-q', '-f', ...level, '--long=27', `--patch-from=${old}`, now, '-o', patch],
  apply: (old, patch, out) => ['zstd', '-q', '-f', '-d', '--long=27', `--patch-from=${old}`, patch, '-o', out],
})

const peers: readonly Peer[] = [
  {
    name: 'bsdiff',
    pkg: 'bsdiff',
    make: (old, now, patch) => ['bsdiff', old, now, patch],
    apply: (old, patch, out) => ['bspatch', old, out, patch],
  },
  {
    name: 'xdelta3',
    pkg: 'xdelta3',
    make: (old, now, patch) => ['xdelta3', '-e', '-9', '-S', 'lzma', '-f', '-n', '-A', '-s', old, now, patch],
    apply: (old, patch, out) => ['xdelta3', '-d', '-f', '-s', old, patch, out],
  },
  { name: 'zstd-19', pkg: 'zstd', ...zstd(['-19']) },
  {
    name: 'zstd-22',
    pkg: 'zstd',
    ...zstd(['--ultra', '-22']),
  },
]

export interface Measured {
  readonly bytes: number
  readonly makeMs: number
  readonly applyMs: number
}

const isInstalled = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

/** Installs what the machine lacks, where that is allowed; answers the peers that are there, with versions, and why others aren't. */
export function findPeers(): { names: string[]; versions: Record<string, string>; missing: Record<string, string> } {
  const lacking = [...new Set(peers.filter(({ pkg }) => !isInstalled(pkg)).map(({ pkg }) => pkg))]
  if (lacking.length > 0 && process.getuid?.() === 0 && isInstalled('apt-get')) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    spawnSync('sh', ['-c', `apt-get update && apt-get install -y --no-install-recommends ${lacking.join(' ')}`], {
      stdio: 'ignore',
      env,
    })
  }
  const versions: Record<string, string> = {}
  const missing: Record<string, string> = {}
  for (const { name, pkg } of peers) {
    if (!isInstalled(pkg)) missing[name] = `${pkg} is not installed: apt-get install ${pkg}`
    else versions[name] = versionOf(pkg)
  }
  return { names: Object.keys(versions), versions, missing }
}

/** As Debian has it: not all of them tell it themselves. */
function versionOf(pkg: string): string {
  const { status, stdout } = spawnSync('dpkg', ['-s', pkg], { encoding: 'utf8' })
  return (status === 0 && /^Version: (.+)$/m.exec(stdout)?.[1]) || 'unknown'
}

/** What each peer makes of a pair; time is of its whole process. */
export function runPeers({ old, now }: Pair, names: readonly string[]): Record<string, Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-delta-'))
  const path = (name: string) => join(folder, name)
  try {
    writeFileSync(path('old'), old)
    writeFileSync(path('new'), now)
    const results: Record<string, Measured> = {}
    for (const { name, make, apply } of peers) {
      if (!names.includes(name)) continue
      const makeMs = timed(make(path('old'), path('new'), path('patch')))
      const applyMs = timed(apply(path('old'), path('patch'), path('out')))
      execFileSync('cmp', [path('out'), path('new')])
      results[name] = { bytes: statSync(path('patch')).size, makeMs, applyMs }
    }
    return results
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function timed([program, ...args]: readonly string[]): number {
  const begun = performance.now()
  execFileSync(program!, args, { stdio: 'ignore' })
  return performance.now() - begun
}
