// How small patches of WebAssembly modules are, held against general deltas in the same run; and how long applying one takes against compiling what it makes.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { type BenchOptions, type BenchResult, geometricMean, median } from './bench.ts'
import { loadPairs, type Pair } from './delta/pairs.ts'
import { findPeers, type Measured, runPeers } from './delta/peers.ts'

const ownPairs = join(import.meta.dirname, 'delta/pairs.json')

/** Pairs beyond are left to the long form. */
const quickBytes = 250_000

/** As agent/run.ts starts an agent. */
const agentFlags = ['--max-semi-space-size=1', '--no-maglev', '--no-sparkplug', '--efficiency-mode']

interface Row {
  readonly pair: Pair
  readonly own: Measured
  readonly patch: Uint8Array
  readonly kind: string
  readonly whole: number
  readonly peers: Readonly<Record<string, Measured>>
}

function measure(pair: Pair, peers: readonly string[]): Row {
  const begun = performance.now()
  const { bytes: patch, kind } = makePatch(pair.old, pair.now, brotli)
  const made = performance.now()
  const content = applyPatch(pair.old, patch, brotli)
  const applyMs = performance.now() - made
  if (!bytesEqual(content, pair.now)) throw new Error(`${pair.id}: the patch makes another module`)
  const whole = brotli.compressAgainst(pair.now, new Uint8Array()).length
  return {
    pair,
    patch,
    kind,
    whole,
    own: { bytes: patch.length, makeMs: made - begun, applyMs },
    peers: runPeers(pair, peers),
  }
}

/** Medians over processes of their own. */
function coldApply({ pair, patch }: Row, runs: number): { applyMs: number; ratio: number } {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-delta-'))
  try {
    writeFileSync(join(folder, 'old'), pair.old)
    writeFileSync(join(folder, 'patch'), patch)
    const program = join(import.meta.dirname, 'delta/cold-apply.ts')
    const all = Array.from({ length: runs }, () => {
      const out = execFileSync(process.execPath, [...agentFlags, program, join(folder, 'old'), join(folder, 'patch')], {
        encoding: 'utf8',
      })
      return JSON.parse(out) as { applyMs: number; compileMs: number }
    })
    return {
      applyMs: median(all.map(({ applyMs }) => applyMs)),
      ratio: median(all.map(({ applyMs, compileMs }) => applyMs / compileMs)),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** f64.const 0.25 and 0.5: a threshold of the greenhouse's frost alarm. */
const thresholds = { was: [0x44, 0, 0, 0, 0, 0, 0, 0xd0, 0x3f], is: [0x44, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f] } as const

/** Bytes of a patch for one changed line: FREEZES_BELOW in examples/greenhouse/frost-alarm. */
function oneLineFix(): number {
  const { pairs } = loadPairs(ownPairs, Number.POSITIVE_INFINITY, ({ trained }) => trained ?? false)
  const { now } = pairs.find(({ id }) => id === 'greenhouse-frost-alarm')!
  const at = now.findIndex((_, place) => thresholds.was.every((byte, i) => now[place + i] === byte))
  if (at < 0) throw new Error('the frost alarm has no threshold of 0.25')
  const fixed = now.slice()
  fixed.set(thresholds.is, at)
  return makePatch(now, fixed, brotli).bytes.length
}

const ratio = (rows: readonly Row[], peer: (row: Row) => number | undefined): number | null => {
  const ratios = rows.flatMap((row) => {
    const bytes = peer(row)
    return bytes === undefined ? [] : [bytes / row.own.bytes]
  })
  return ratios.length === 0 ? null : geometricMean(ratios)
}

const best = ({ peers }: Row): number | undefined => {
  const sizes = Object.values(peers).map(({ bytes }) => bytes)
  return sizes.length === 0 ? undefined : Math.min(...sizes)
}

export async function run({ quick, pairs: list }: BenchOptions): Promise<BenchResult> {
  const peers = findPeers()
  const loaded = loadPairs(list ?? ownPairs, quick ? quickBytes : Number.POSITIVE_INFINITY)
  const rows: Row[] = []
  for (const pair of loaded.pairs) {
    const row = measure(pair, peers.names)
    rows.push(row)
    const others = Object.entries(row.peers).map(
      ([name, { bytes, makeMs, applyMs }]) => `${name} ${bytes} (${makeMs.toFixed(0)}/${applyMs.toFixed(0)} ms)`,
    )
    const { bytes, makeMs, applyMs } = row.own
    console.error(
      `${pair.id}: ${pair.now.length} bytes, ${row.kind} ${bytes} (${makeMs.toFixed(0)}/${applyMs.toFixed(0)} ms), whole ${row.whole}, ${others.join(', ')}`,
    )
  }
  // What the table was trained on is no measure of it.
  const fair = rows.filter(({ pair }) => !pair.trained)
  const same = fair.filter(({ pair }) => pair.sameToolchain)
  const middle = rows.toSorted(
    (a, b) => Math.abs(a.pair.now.length - 200_000) - Math.abs(b.pair.now.length - 200_000),
  )[0]
  const cold = middle === undefined ? null : coldApply(middle, quick ? 5 : 11)
  const sized = cold !== null && middle!.pair.now.length > 100_000 && middle!.pair.now.length < 400_000
  const trained = ratio(
    rows.filter(({ pair }) => pair.trained),
    ({ peers }) => peers.bsdiff?.bytes,
  )
  return {
    bench: 'delta',
    sizes: {
      pairs: rows.length,
      passed_over: Object.keys(loaded.missing).length,
      new_bytes: rows.reduce((sum, { pair }) => sum + pair.now.length, 0),
    },
    figures: {
      pairs: fair.length,
      geomean_vs_bsdiff: ratio(same, ({ peers }) => peers.bsdiff?.bytes),
      geomean_vs_zstd: ratio(same, ({ peers }) => peers['zstd-22']?.bytes),
      geomean_vs_best: ratio(same, best),
      all_pairs_vs_bsdiff: ratio(fair, ({ peers }) => peers.bsdiff?.bytes),
      trained_pairs_vs_bsdiff: trained,
      largest_vs_whole: Math.max(...rows.map(({ own, whole }) => own.bytes / whole)),
      one_line_fix_bytes: oneLineFix(),
      apply_200kb_ms: sized ? cold.applyMs : null,
      apply_to_compile_ratio: sized ? cold.ratio : null,
      mcu_state_bytes: null,
    },
    peers: peers.versions,
    missing: {
      ...loaded.missing,
      ...peers.missing,
      ...(sized
        ? {}
        : { apply_200kb_ms: 'no pair has about 200 KB', apply_to_compile_ratio: 'no pair has about 200 KB' }),
      mcu_state_bytes: 'the profile for microcontrollers is not there yet',
    },
  }
}
