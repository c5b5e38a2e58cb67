// How small patches of WebAssembly modules are, held against general deltas in the same run; and how long applying one takes against compiling what it makes.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { McuDecoder, mcuHeadBytes, readMcuSizes } from '@hypha/core/delta/mcu/decoder.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { type BenchOptions, type BenchResult, geometricMean, median } from './bench.ts'
import { loadPairs, type Pair } from './delta/pairs.ts'
import { findPeers, type Measured, runPeers } from './delta/peers.ts'

const ownPairs = join(import.meta.dirname, 'delta/pairs.json')

/** Pairs beyond are left to the long form. */
const quickBytes = 250_000

/** No microcontroller takes larger ones. */
const mcuUpToBytes = 1024 * 1024

/** As agent/run.ts starts an agent. */
const agentFlags = ['--max-semi-space-size=1', '--no-maglev', '--no-sparkplug', '--efficiency-mode']

interface Row {
  readonly pair: Pair
  readonly own: Measured
  readonly patch: Uint8Array
  readonly kind: string
  readonly whole: number
  /** For a microcontroller, and the state that its head asks for; null for what is too large for one. */
  readonly mcu: { readonly bytes: number; readonly stateBytes: number } | null
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
    mcu: pair.now.length > mcuUpToBytes ? null : measureMcu(pair),
    own: { bytes: patch.length, makeMs: made - begun, applyMs },
    peers: runPeers(pair, peers),
  }
}

/** The small profile, applied within its bound: one state that is thrown away and put back after every 100 bytes. */
function measureMcu({ id, old, now }: Pair): NonNullable<Row['mcu']> {
  const { bytes } = makePatch(old, now, brotli, { profile: 'mcu' })
  const sizes = readMcuSizes(bytes.subarray(1))
  const content = new Uint8Array(now.length)
  let length = 0
  const emit = (byte: number) => {
    content[length++] = byte
  }
  const read = (offset: number, count: number) => old.slice(offset, offset + count)
  let decoder = new McuDecoder(sizes, read, old.length, emit)
  for (let at = 1 + mcuHeadBytes; at < bytes.length; ) {
    at += decoder.write(bytes.subarray(at, at + 100))
    decoder = new McuDecoder(sizes, read, old.length, emit, decoder.state.slice())
  }
  decoder.end()
  if (length !== now.length || !bytesEqual(content, now)) throw new Error(`${id}: the small patch makes another module`)
  return { bytes: bytes.length, stateBytes: decoder.state.byteLength }
}

/** Medians over processes of their own. */
function coldApply(
  { pair, patch }: Row,
  runs: number,
  flags: readonly string[],
  by: 'kernel' | 'decoder' = 'kernel',
): { applyMs: number; compileMs: number } {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-delta-'))
  try {
    writeFileSync(join(folder, 'old'), pair.old)
    writeFileSync(join(folder, 'patch'), patch)
    const program = join(import.meta.dirname, 'delta/cold-apply.ts')
    const all = Array.from({ length: runs }, () => {
      const args = [...flags, program, join(folder, 'old'), join(folder, 'patch'), by]
      const out = execFileSync(process.execPath, args, { encoding: 'utf8' })
      return JSON.parse(out) as { applyMs: number; compileMs: number }
    })
    return {
      applyMs: median(all.map(({ applyMs }) => applyMs)),
      compileMs: median(all.map(({ compileMs }) => compileMs)),
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

/** How much larger a peer is than the small profile; below 1 where it is smaller. */
const mcuRatio = (rows: readonly Row[], peer: (row: Row) => number | undefined): number | null => {
  const ratios = rows.flatMap((row) => {
    const bytes = peer(row)
    return bytes === undefined || row.mcu === null ? [] : [bytes / row.mcu.bytes]
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
      `${pair.id}: ${pair.now.length} bytes, ${row.kind} ${bytes} (${makeMs.toFixed(0)}/${applyMs.toFixed(0)} ms), mcu ${row.mcu?.bytes ?? 'none'}, whole ${row.whole}, ${others.join(', ')}; best of them ${best(row) ?? 'none'}, ${((best(row) ?? 0) / bytes).toFixed(2)} times as large`,
    )
  }
  // What the table was trained on is no measure of it.
  const fair = rows.filter(({ pair }) => !pair.trained)
  const same = fair.filter(({ pair }) => pair.sameToolchain)
  const middle = rows.toSorted(
    (a, b) => Math.abs(a.pair.now.length - 200_000) - Math.abs(b.pair.now.length - 200_000),
  )[0]
  const sized = middle !== undefined && middle.pair.now.length > 100_000 && middle.pair.now.length < 400_000
  const runs = quick ? 5 : 11
  const cold = sized ? coldApply(middle, runs, agentFlags) : null
  // V8 compiles a function of a module when it is first called; --no-wasm-lazy-compilation has it compile all of them (by Liftoff, its quick tier) at once.
  const eager = sized ? coldApply(middle, runs, [...agentFlags, '--no-wasm-lazy-compilation']) : null
  const plain = sized ? coldApply(middle, runs, []) : null
  const decoder = sized ? coldApply(middle, runs, agentFlags, 'decoder') : null
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
      apply_200kb_ms: cold?.applyMs ?? null,
      compile_200kb_ms: cold?.compileMs ?? null,
      compile_eager_200kb_ms: eager?.compileMs ?? null,
      apply_to_compile_ratio: cold === null ? null : cold.applyMs / cold.compileMs,
      apply_to_eager_compile_ratio: cold === null || eager === null ? null : cold.applyMs / eager.compileMs,
      apply_200kb_node_defaults_ms: plain?.applyMs ?? null,
      apply_200kb_without_kernel_ms: decoder?.applyMs ?? null,
      mcu_state_bytes: Math.max(...rows.map(({ mcu }) => mcu?.stateBytes ?? 0)),
      mcu_geomean_vs_bsdiff: mcuRatio(same, ({ peers }) => peers.bsdiff?.bytes),
      mcu_geomean_vs_full: mcuRatio(same, ({ own }) => own.bytes),
      ...Object.fromEntries(fair.map(({ pair, own }) => [`bytes_${pair.id.replaceAll('-', '_')}`, own.bytes])),
      ...Object.fromEntries(
        fair.flatMap(({ pair, mcu }) =>
          mcu === null ? [] : [[`mcu_bytes_${pair.id.replaceAll('-', '_')}`, mcu.bytes] as const],
        ),
      ),
    },
    peers: peers.versions,
    missing: {
      ...loaded.missing,
      ...peers.missing,
      ...(sized
        ? {}
        : { apply_200kb_ms: 'no pair has about 200 KB', apply_to_compile_ratio: 'no pair has about 200 KB' }),
      detools:
        'what microcontrollers use today is no package of Debian: mcu_ is held against bsdiff, which takes far more memory',
    },
  }
}
