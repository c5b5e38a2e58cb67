import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { asHyphaError, type ErrorJson, HyphaError } from '@hypha/core/errors.ts'
import {
  answeredAt,
  endedAt,
  type FromWorker,
  heldAt,
  insideAt,
  sentAt,
  skip,
  type ToWorker,
  type WorkerStart,
} from '../protocol.ts'
import { type AgentRequest, WorkerCell } from './cell.ts'
import { lockDown } from './lockdown.ts'

// The program of a cell's worker: it does what it is told, one thing at a time, and answers each.

const { control: shared, answers } = workerData as WorkerStart & { answers: MessagePort }
const control = new Int32Array(shared)
const port = parentPort!
const send = (message: FromWorker): void => port.postMessage(message)
let cell: WorkerCell | null = null

/** Wakes the agent's own thread and waits for its answer; past the turn's deadline it ends this thread instead. */
function ask(request: AgentRequest): unknown {
  const before = Atomics.load(control, answeredAt)
  send(request)
  Atomics.wait(control, answeredAt, before)
  const received = receiveMessageOnPort(answers)
  const answer = received?.message as { value: unknown } | { error: ErrorJson } | undefined
  if (answer === undefined) throw new HyphaError('internal', 'the agent woke the cell without an answer')
  if ('error' in answer) throw new HyphaError(answer.error.code, answer.error.message, answer.error)
  return answer.value
}

function opened(): WorkerCell {
  if (cell === null) throw new HyphaError('internal', 'the cell has no modules yet')
  return cell
}

function carryOut(message: ToWorker): FromWorker {
  switch (message.kind) {
    case 'load':
      cell = new WorkerCell(message.modules, message.instances, ask, (instance) => {
        control[insideAt] = instance + 1
      })
      return { kind: 'loaded', instances: cell.load() }
    case 'open': {
      const { effects, refused } = opened().open(message)
      return refused === null ? { kind: 'done', effects } : { kind: 'refused', reason: refused }
    }
    case 'rehearse': {
      const { restoreMs, refused } = opened().rehearse(message.states)
      return refused === null ? { kind: 'rehearsed', restoreMs } : { kind: 'refused', reason: refused }
    }
    case 'turn': {
      Atomics.wait(control, heldAt, message.number)
      if (Atomics.load(control, heldAt) === skip) return { kind: 'skipped' }
      return { kind: 'done', ...opened().runTurn(message) }
    }
  }
}

function answerTo(message: ToWorker): FromWorker {
  try {
    return carryOut(message)
  } catch (thrown) {
    if (message.kind !== 'load') {
      const text = `${explain(thrown)}${cell?.memoryNote(thrown) ?? ''}`.slice(0, 1_000)
      return { kind: 'trapped', text, effects: cell?.takeLogs() ?? [] }
    }
    if (thrown instanceof HyphaError) return { kind: 'failed', error: thrown.toJSON() }
    const error = new HyphaError('module-unloadable', `a module traps as it is made: ${explain(thrown)}`)
    return { kind: 'failed', error: error.toJSON() }
  }
}

/** The message, and where in the module: names of functions and byte offsets, as the engine gives them. */
function explain(thrown: unknown): string {
  const error = asHyphaError(thrown)
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : ''
  const frames = stack.split('\n').filter((line) => line.includes('wasm://'))
  const places = frames
    .slice(0, 5)
    .map((line) => line.trim().replace(/wasm:\/\/wasm\/([\w.-]+?)(-[0-9a-f]+)?:/, 'wasm:'))
  return [error.message, ...places].join(' ').slice(0, 800)
}

/** After a turn the next one is awaited here for so long: it comes sooner than through the event loop. */
const lingerMs = 20
/** Then the event loop has its turn: what the engine puts off until then must not pile up. */
const maxInARow = 64

function next(): ToWorker | undefined {
  const sent = Atomics.load(control, sentAt)
  const waiting = receiveMessageOnPort(port)
  if (waiting !== undefined) return waiting.message
  Atomics.wait(control, sentAt, sent, lingerMs)
  return receiveMessageOnPort(port)?.message
}

port.on('message', (first: ToWorker) => {
  let message: ToWorker | undefined = first
  for (let count = 1; message !== undefined; count++) {
    const answer = answerTo(message)
    if (message.kind === 'turn') Atomics.store(control, endedAt, message.number)
    send(answer)
    message = count < maxInARow ? next() : undefined
  }
})

// Loaded on first use, which comes after the doors are closed.
crypto.getRandomValues(new Uint8Array(1))
lockDown()
send({ kind: 'booted' })
