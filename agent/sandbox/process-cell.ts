import type { Duplex } from 'node:stream'
import { HyphaError } from '@hypha/core/errors.ts'
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
const goodbyeMs = 1_000

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
  let given = false
  /** Tells the agent why, and ends; by force where the agent doesn't take it. */
  const give = (error: HyphaError): void => {
    if (given) return
    given = true
    frames.send({ kind: 'failed', error: error.toJSON() } satisfies FromWorker)
    stream.end()
    setTimeout(() => stream.destroy(), goodbyeMs)
  }
  const watch = ({ modules, instances }: Extract<ToWorker, { kind: 'load' }>): void => {
    const allowed = instances.reduce((sum, { module }) => sum + modules[module]!.limits.memoryBytes, slackBytes)
    setInterval(() => {
      const bytes = process.memoryUsage.rss()
      if (bytes > allowed)
        give(new HyphaError('cell-died', `the process of the cell holds ${bytes} bytes, ${allowed} are allowed`))
    }, watchMs)
  }
  worker.listen({ message: (message: FromWorker) => frames.send(message), died: give })
}
