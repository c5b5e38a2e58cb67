import type { Duplex } from 'node:stream'
import { Frames } from './frames.ts'
import { defaultOptions } from './options.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import { ThreadTransport } from './thread-transport.ts'
import type { AskAnswer } from './transport.ts'

type FromAgent = ToWorker | { readonly kind: 'answer'; readonly answer: AskAnswer }

/** The agent's word is trusted: a component has at most 64 MiB. */
export const maxComponentMessageBytes = 1024 * 1024 * 1024

const heapMb = 64
/** What the process may hold beside its modules' memory: jco's glue copies values without a cap, and copies are no part of any heap. */
const slackBytes = 384 * 1024 * 1024
const watchMs = 100

/**
 * The other end of `ProcessTransport`: passes the agent's messages on to a worker thread of this process, which runs the cell as it would in the agent, and
 * its own back. The thread can be blocked on an answer, or loop; this one hears when the agent has gone, and ends the process where it holds too much.
 */
export function serveCell(stream: Duplex): void {
  const worker = new ThreadTransport({ ...defaultOptions, heapMb })
  const frames = new Frames(stream, maxComponentMessageBytes, (received) => {
    const message = received as FromAgent
    if (message.kind === 'answer') worker.answer(message.answer)
    else worker.send(message)
    if (message.kind === 'load') watch(message)
  })
  const give = (why: string): void => {
    console.error(`hypha: ${why}`)
    stream.destroy()
  }
  const watch = ({ modules, instances }: Extract<ToWorker, { kind: 'load' }>): void => {
    const memoryBytes = instances.reduce((sum, { module }) => sum + modules[module]!.limits.memoryBytes, slackBytes)
    setInterval(() => {
      const bytes = process.memoryUsage.rss()
      if (bytes > memoryBytes) give(`a cell of components takes ${bytes} bytes, ${memoryBytes} are allowed`)
    }, watchMs)
  }
  worker.listen({
    message: (message: FromWorker) => frames.send(message),
    died: (error) => give(error.message),
  })
}
