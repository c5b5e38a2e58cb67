// A release is replaced by another one, again and again, while inputs come: what the swap costs them. Each input changes all of the state.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { analyse } from '@hypha/core/wasm/analyse.ts'
import { buildApp } from '../gateway/push/build/build.ts'
import { type BenchOptions, type BenchResult, quantile } from './bench.ts'
import type { SwapJob, SwapMeasured } from './swap/agent.ts'

const inputsPerS = 1_000
const program = join(import.meta.dirname, 'swap', 'agent.ts')

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-swap-'))
  try {
    const [first, second] = [await version(folder, 1), await version(folder, 2)]
    const job: SwapJob = {
      swaps: quick ? 60 : 1_000,
      inputsPerS,
      betweenMs: 40,
      cores: [first.path, second.path],
      world: first.world,
    }
    writeFileSync(join(folder, 'job.json'), JSON.stringify(job))
    const { stdout } = await promisify(execFile)(process.execPath, [program, join(folder, 'job.json')], {
      maxBuffer: 64 * 1024 * 1024,
    })
    const measured = JSON.parse(stdout) as SwapMeasured
    return {
      bench: 'swap',
      sizes: { state_bytes: measured.stateBytes, inputs_per_s: inputsPerS, not_flipped: measured.notFlipped },
      figures: figuresOf(measured),
      peers: { 'raw move': '64 KiB to a worker thread and back by postMessage, in the same process' },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function figuresOf(measured: SwapMeasured): BenchResult['figures'] {
  const { pausesMs, switchMs, rawMoveMs } = measured
  return {
    swaps: measured.swaps,
    inputs: measured.inputs,
    lost: measured.lost,
    doubled: measured.doubled,
    state_differs: measured.stateDiffers,
    pause_p50_ms: quantile(pausesMs, 0.5),
    pause_p99_ms: quantile(pausesMs, 0.99),
    pause_max_ms: quantile(pausesMs, 1),
    median_wait_ms: measured.medianWaitMs,
    switch_p50_ms: quantile(switchMs, 0.5),
    switch_p99_ms: quantile(switchMs, 0.99),
    raw_move_p50_ms: quantile(rawMoveMs, 0.5),
    raw_move_p99_ms: quantile(rawMoveMs, 0.99),
    switch_ratio_to_raw_p50: quantile(switchMs, 0.5) / quantile(rawMoveMs, 0.5),
  }
}

/** Builds one version of the module, and writes its core form to a file. */
async function version(folder: string, number: number) {
  const app = join(folder, `v${number}`)
  cpSync(join(import.meta.dirname, 'swap-app'), app, { recursive: true })
  const source = join(app, 'ring/assembly/index.ts')
  writeFileSync(source, readFileSync(source, 'utf8').replace('version: i32 = 1', `version: i32 = ${number}`))
  const [built] = await buildApp(app)
  const { analysis, core } = analyse(built!.component)
  const path = join(folder, `v${number}.wasm`)
  writeFileSync(path, core!)
  return { path, world: analysis.world }
}
