// The agent's sandbox and its journal on a disk, in a process of their own: node agent.ts JOB.json. Prints what it measured as one line of JSON.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import type { World } from '@hypha/core/wasm/types.ts'
import { openJournal } from '../../agent/report/journal.ts'
import { createSandbox, type PreparedApp } from '../../agent/sandbox/sandbox.ts'
import type { InstanceKey, RunnableModule, RunnableSection, TurnRecord } from '../../agent/turns.ts'
import { quantile } from '../bench.ts'

export interface SwapJob {
  readonly swaps: number
  readonly inputsPerS: number
  /** Between one swap and the making of the next release. */
  readonly betweenMs: number
  /** The core forms, as files: they take turns. */
  readonly cores: readonly string[]
  readonly world: World
}

export interface SwapMeasured {
  readonly swaps: number
  readonly notFlipped: number
  readonly inputs: number
  readonly lost: number
  readonly doubled: number
  /** One for each swap. */
  readonly pausesMs: readonly number[]
  readonly switchMs: readonly number[]
  readonly medianWaitMs: number
  readonly rawMoveMs: readonly number[]
  readonly stateBytes: number
  /** Words of the state that aren't as the numbers that came make them. */
  readonly stateDiffers: number
}

const app = 'swap'
const instance: InstanceKey = { app, module: 'ring', home: 'node-1' }
const words = 16_384
const budgetMs = 1_000
const lifetimeOfWarmUp = 2_000

export async function measure(job: SwapJob): Promise<SwapMeasured> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-swap-'))
  const journal = await openJournal({
    files: nodeFiles(folder),
    clock: systemClock,
    random: nodeCrypto.random,
    bootId: 'bench',
  })
  // There is no gateway: what may be sent counts as stored.
  journal.onSendable(() => journal.acknowledge(journal.sendable))
  const load = new Load(job.inputsPerS)
  const sandbox = createSandbox({
    node: 'node-1',
    clock: systemClock,
    commit: (turn) => {
      journal.appendAll(turn.map((record) => ({ record, targets: record.messages.map(() => []) })))
      load.committed(turn)
    },
    event: ({ code, text }) => console.error(code, text),
    call: () => ({ tag: 'err', val: 'unavailable' }),
  })
  const prepare = async (epoch: number): Promise<PreparedApp> => {
    sandbox.warm()
    const section = sectionOf(job, epoch)
    return await sandbox.prepare(section, journal)
  }
  const [pausesMs, switchMs]: [number[], number[]] = [[], []]
  let [notFlipped, doubled, lostAtFlips] = [0, 0, 0]
  try {
    let current = await prepare(1)
    await current.activate()
    load.start(current)
    await delay(lifetimeOfWarmUp)
    for (let epoch = 2; epoch <= job.swaps + 1; epoch++) {
      const next = await prepare(epoch)
      await next.rehearse(current)
      await delay(job.betweenMs)
      const from = performance.now()
      try {
        const swapped = await sandbox.swap(current, next, { budgetMs, saved: () => journal.markFlip(app, epoch) })
        current = next
        load.target = next
        switchMs.push(swapped.pauseMs)
        const { lost, doubled: again } = await swapped.settled
        doubled += again
        lostAtFlips += lost
      } catch (error) {
        console.error(error)
        notFlipped++
        await next.stop({ save: false })
      }
      journal.settleFlip(app)
      const to = performance.now()
      await load.until(to)
      pausesMs.push(load.longestWait(from, to))
    }
    load.stop()
    await load.until(performance.now())
    await current.stop({ save: true })
    const state = journal.state(instance)!.bytes
    const rawMoveMs = await movesToAWorker(state.slice())
    const medianWaitMs = quantile(load.waits(), 0.5)
    return {
      swaps: pausesMs.length - notFlipped,
      notFlipped,
      inputs: load.delivered,
      lost: lostAtFlips + load.missing,
      doubled: doubled + load.repeated,
      pausesMs: pausesMs.map((wait) => Math.max(0, wait - medianWaitMs)),
      switchMs,
      medianWaitMs,
      rawMoveMs,
      stateBytes: state.length,
      stateDiffers: differences(state, load.delivered),
    }
  } finally {
    await sandbox.close()
    await journal.close()
    rmSync(folder, { recursive: true })
  }
}

/** Numbers from 1 on, each due at its moment whatever holds this thread up: its wait counts from there until its turn is journaled. */
class Load {
  target: PreparedApp | null = null
  delivered = 0
  repeated = 0
  readonly #everyMs: number
  #startedAt = 0
  #timer: NodeJS.Timeout | null = null
  /** By number: when its turn was journaled. */
  readonly #done: number[] = []
  #handled = 0

  constructor(perS: number) {
    this.#everyMs = 1_000 / perS
  }

  start(target: PreparedApp): void {
    this.target = target
    this.#startedAt = performance.now()
    const feed = (): void => {
      // Where the inbox is full, it is offered again, as the gateway would; it waits since it was due all the same.
      while (this.#dueAt(this.delivered + 1) <= performance.now() && this.#deliver(this.delivered + 1)) this.delivered++
      this.#timer = setTimeout(feed, 1)
    }
    feed()
  }

  stop(): void {
    clearTimeout(this.#timer!)
  }

  /** False where there is no room. */
  #deliver(number: number): boolean {
    const payload = new Uint8Array(4)
    new DataView(payload.buffer).setUint32(0, number, true)
    const answer = this.target!.deliver(instance, { id: { source, number }, topic: 'numbers', payload })
    if (answer === 'done') throw new Error(`input ${number} was done before it came`)
    return answer === 'queued'
  }

  committed(turn: readonly TurnRecord[]): void {
    const now = performance.now()
    for (const { input } of turn) {
      if (input === null) continue
      if (this.#done[input.number] !== undefined) this.repeated++
      this.#done[input.number] = now
      this.#handled = Math.max(this.#handled, input.number)
    }
  }

  /** Resolves when all that was due by then is handled. */
  async until(moment: number): Promise<void> {
    const number = Math.min(this.delivered, Math.floor((moment - this.#startedAt) / this.#everyMs))
    while (this.#handled < number) await delay(2)
  }

  /** Of the inputs that waited at some moment between the two. */
  longestWait(from: number, to: number): number {
    let longest = 0
    const last = Math.min(this.delivered, Math.ceil((to - this.#startedAt) / this.#everyMs))
    for (let number = last; number > 0 && this.#dueAt(number) > from - 2_000; number--) {
      const doneAt = this.#done[number]
      if (doneAt !== undefined && doneAt >= from) longest = Math.max(longest, doneAt - this.#dueAt(number))
    }
    return longest
  }

  waits(): number[] {
    return this.#done.flatMap((at, number) => (number === 0 ? [] : [at - this.#dueAt(number)]))
  }

  get missing(): number {
    return this.delivered - this.#done.reduce((count) => count + 1, 0)
  }

  #dueAt(number: number): number {
    return this.#startedAt + number * this.#everyMs
  }
}

const source = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

function sectionOf({ cores, world }: SwapJob, epoch: number): RunnableSection {
  const module: RunnableModule = {
    name: 'ring',
    form: 'core',
    bytes: readFileSync(cores[epoch % cores.length]!),
    digest: '',
    world,
    limits: { memoryBytes: 1024 * 1024, turnMs: 5_000, telemetryPerS: 100, messagesPerS: 100, kvBytes: 65_536 },
    timerMs: null,
    subscribe: ['numbers'],
    publish: [],
    httpHosts: [],
    isolate: false,
  }
  const links = new Map(world.imports.map(({ name }) => [name, { kind: 'host' } as const]))
  return {
    app,
    epoch,
    release: epoch.toString(16).padStart(64, '0'),
    releaseNumber: epoch,
    modules: new Map([['ring', module]]),
    instances: [{ module: 'ring', home: 'node-1', links, config: {} }],
  }
}

/** The module's sum, computed here. */
function differences(state: Uint8Array, inputs: number): number {
  const expected = new Uint32Array(words)
  for (let number = 1; number <= inputs; number++) {
    for (let i = 0; i < words; i++) expected[i] = Math.imul(expected[i]!, 1_664_525) + number + i
  }
  const view = new DataView(state.buffer, state.byteOffset, state.length)
  return expected.reduce((sum, word, i) => (view.getUint32(i * 4, true) === word ? sum : sum + 1), 0)
}

/** What can't be had for less: the state out of one worker and into another, which is as much as to a worker and back. */
async function movesToAWorker(state: Uint8Array): Promise<number[]> {
  const program = `const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m))`
  const worker = new Worker(program, { eval: true })
  const times: number[] = []
  for (let round = 0; round < 1_200; round++) {
    const from = performance.now()
    const answered = new Promise((resolve) => worker.once('message', resolve))
    worker.postMessage(state)
    await answered
    if (round >= 200) times.push(performance.now() - from)
    // As far apart as turns are.
    await delay(1)
  }
  await worker.terminate()
  return times
}

const delay = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))

const [job] = process.argv.slice(2)
if (job !== undefined) {
  console.log(JSON.stringify(await measure(JSON.parse(readFileSync(job, 'utf8')) as SwapJob)))
}
