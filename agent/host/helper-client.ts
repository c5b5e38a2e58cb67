import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { HyphaError } from '@hypha/core/errors.ts'

/** An answer of the helper: what was asked for, or `error`, a sentence, and `fault`. */
type HelperAnswer = Readonly<Record<string, unknown>>

export interface HelperProcess {
  readonly socket: Socket
  /** Kills it, whatever it does. */
  end(): void
}

export interface HelperClient {
  /** Throws `helper-unreachable` where the helper doesn't answer some time after `timeoutMs`, which it keeps itself. */
  request(message: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<HelperAnswer>
  /** Starts a process for modules without a core form, which has the connection from then on. It speaks first. */
  open(task: 'transpile' | 'run'): HelperProcess
  close(): void
  /** Ends the helper. */
  stop(): void
}

/** An answer is at most a result of `sql`. */
const maxLineChars = 4 * 1024 * 1024
const graceMs = 1_000

interface Waiting {
  readonly resolve: (answer: HelperAnswer) => void
  readonly reject: (error: HyphaError) => void
  readonly timer: ReturnType<typeof setTimeout>
}

/** Speaks to the helper process, a JSON object a line in both directions. Connects when it is first needed, and again when the helper was restarted. */
export function connectHelper(path: string): HelperClient {
  const waiting = new Map<number, Waiting>()
  let socket: Socket | null = null
  let received = ''
  let last = 0

  const lose = (why: string): void => {
    socket?.destroy()
    socket = null
    for (const [id, { reject, timer }] of waiting) {
      clearTimeout(timer)
      waiting.delete(id)
      reject(new HyphaError('helper-unreachable', `The helper at ${path} can't be asked: ${why}`))
    }
  }
  const take = (line: string): void => {
    const { id, ...answer } = JSON.parse(line) as { id: number }
    const asked = waiting.get(id)
    if (asked === undefined) return
    clearTimeout(asked.timer)
    waiting.delete(id)
    asked.resolve(answer)
  }
  const open = (): Socket => {
    if (socket !== null) return socket
    const opened = connect(path)
    socket = opened
    received = ''
    opened.setEncoding('utf8')
    opened.on('data', (text: string) => {
      const lines = (received + text).split('\n')
      received = lines.pop()!
      try {
        lines.forEach(take)
        if (received.length > maxLineChars) throw new Error('an answer has no end')
      } catch (error) {
        lose(`it answers badly: ${(error as Error).message}`)
      }
    })
    opened.on('error', (error) => {
      if (socket === opened) lose(error.message)
    })
    opened.on('close', () => {
      if (socket === opened) lose('it closed the connection')
    })
    opened.unref()
    return opened
  }

  return {
    request(message, timeoutMs) {
      return new Promise((resolve, reject) => {
        const id = ++last
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(new HyphaError('helper-unreachable', `The helper at ${path} did not answer within ${timeoutMs} ms`))
        }, timeoutMs + graceMs)
        waiting.set(id, { resolve, reject, timer })
        open().write(`${JSON.stringify({ id, ...message })}\n`)
      })
    },
    open(task) {
      const key = randomUUID()
      const child = connect(path)
      child.write(`${JSON.stringify({ id: 0, op: task, key })}\n`)
      const end = (): void => {
        child.destroy()
        open().write(`${JSON.stringify({ id: 0, op: 'end', key })}\n`)
      }
      return { socket: child, end }
    },
    close: () => lose('the agent stops'),
    stop: () => open().end(`${JSON.stringify({ id: 0, op: 'stop' })}\n`),
  }
}
