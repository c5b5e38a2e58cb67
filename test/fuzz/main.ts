import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { maxInputMs } from './engine.ts'
import { targets } from './targets.ts'
import type { Told, WorkerTask } from './worker.ts'

const usage = `npm run fuzz -- TARGET --for 10m [--seed N]   read mutated inputs until one is a find
npm run fuzz -- TARGET --replay FILE          read one input again
npm run fuzz -- --list                        the targets

Exit code 0: nothing found, 1: a find, 2: a wrong call.`

const maxInputBytes = 1024 * 1024

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      for: { type: 'string', default: '1m' },
      seed: { type: 'string' },
      replay: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  })
  if (values.list) {
    const width = Math.max(...targets.map(({ name }) => name.length))
    process.stdout.write(`${targets.map(({ name, about }) => `${name.padEnd(width)}  ${about}`).join('\n')}\n`)
    return 0
  }
  const [name] = positionals
  const chosen = name === 'all' ? targets : targets.filter((target) => target.name === name)
  const ms = milliseconds(values.for)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
  if (chosen.length === 0 || ms === null || !Number.isSafeInteger(seed)) {
    process.stderr.write(`${usage}\n`)
    return 2
  }
  const replay = values.replay === undefined ? null : new Uint8Array(readFileSync(values.replay))
  let code = 0
  for (const target of chosen) {
    process.stdout.write(`${target.name}: ${target.about}; seed ${seed}\n`)
    if (await watch(target.name, { seed, ms: ms / chosen.length, replay })) code = 1
  }
  return code
}

/** "90s", "10m", "1h" in milliseconds. */
function milliseconds(text: string): number | null {
  const [, count, unit] = /^(\d{1,6})(s|m|h)$/.exec(text) ?? []
  return count === undefined ? null : Number(count) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h']
}

interface Run {
  readonly seed: number
  readonly ms: number
  readonly replay: Uint8Array | null
}

/** Lets a worker read, and watches it: an input that never ends, or takes all memory, is a find, too. Answers whether there was one. */
function watch(target: string, { seed, ms, replay }: Run): Promise<boolean> {
  const shared = new SharedArrayBuffer(4 + maxInputBytes)
  const task: WorkerTask = { target, seed, untilMs: Date.now() + ms, shared, replay }
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: 1_024 },
  })
  const begun = performance.now()
  let heard = performance.now() + 60_000
  let printed = begun
  return new Promise((resolve) => {
    const end = (find: { input: Uint8Array; why: string } | null) => {
      clearInterval(watchdog)
      void worker.terminate()
      if (find !== null) tellFind(target, find)
      resolve(find !== null)
    }
    const current = () => new Uint8Array(shared).slice(4, 4 + new Int32Array(shared, 0, 1)[0]!)
    const watchdog = setInterval(() => {
      const silentMs = performance.now() - heard
      if (silentMs > 2 * maxInputMs) end({ input: current(), why: `reading it does not end within ${silentMs | 0} ms` })
    }, 1_000)
    worker.on('message', (told: Told) => {
      heard = performance.now()
      const seconds = (heard - begun) / 1_000
      const rate = Math.round(told.executions / seconds)
      const ended = told.kind === 'ended'
      const outcomes = ended ? '' : `, ${told.outcomes} outcomes`
      const line = `${seconds.toFixed(0)} s: ${told.executions} executions, ${rate}/s${outcomes}`
      if (process.stdout.isTTY && !ended) process.stdout.write(`\r${line}   `)
      if (!process.stdout.isTTY && !ended && heard - printed >= 10_000) {
        printed = heard
        process.stdout.write(`${line}\n`)
      }
      if (ended) {
        process.stdout.write(`${process.stdout.isTTY ? '\r' : ''}${line}, ${told.find ? 'a find' : 'nothing found'}\n`)
        end(told.find)
      }
    })
    worker.on('error', (error) => end({ input: current(), why: error.stack ?? error.message }))
  })
}

function tellFind(target: string, { input, why }: { input: Uint8Array; why: string }): void {
  const folder = join(tmpdir(), 'hypha-fuzz')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${target}-${Date.now()}.bin`)
  writeFileSync(file, input)
  process.stdout.write(`${why}\n\nThe input is in ${file}. Read it again with:\n`)
  process.stdout.write(`  npm run fuzz -- ${target} --replay ${file}\n`)
}

process.exitCode = await main()
