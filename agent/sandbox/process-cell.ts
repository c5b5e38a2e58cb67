import type { Duplex } from 'node:stream'
import { asHyphaError } from '@hypha/core/errors.ts'
import { Frames } from './frames.ts'
import { defaultOptions } from './options.ts'
import type { CellModule, FromWorker, ToWorker, Transpiled } from './protocol.ts'
import { ThreadTransport } from './thread-transport.ts'
import type { AskAnswer } from './transport.ts'

type FromAgent = ToWorker | { readonly kind: 'answer'; readonly answer: AskAnswer }

/** The agent's word is trusted: a component has at most 64 MiB. */
const maxMessageBytes = 1024 * 1024 * 1024

/**
 * The other end of `ProcessTransport`: passes the agent's messages on to a worker thread of this process, which runs the cell as it would in the agent, and
 * its own back. The thread can be blocked on an answer, or loop; this one hears when the agent has gone.
 *
 * @param transpile makes of a component what the worker loads.
 */
export function serveCell(stream: Duplex, transpile: (module: CellModule) => Promise<Transpiled>): void {
  const worker = new ThreadTransport({ ...defaultOptions, heapMb: 64 })
  const frames = new Frames(stream, maxMessageBytes, (received) => {
    const message = received as FromAgent
    if (message.kind === 'answer') worker.answer(message.answer)
    else if (message.kind !== 'load') worker.send(message)
    else load(message.modules).then((modules) => worker.send({ ...message, modules }), refuse)
  })
  const send = (message: FromWorker): void => frames.send(message)
  const refuse = (thrown: unknown): void => send({ kind: 'failed', error: asHyphaError(thrown).toJSON() })
  const load = (modules: readonly CellModule[]): Promise<CellModule[]> =>
    Promise.all(
      modules.map(async (module) =>
        module.form === 'component'
          ? { ...module, bytes: new Uint8Array(), transpiled: await transpile(module) }
          : module,
      ),
    )
  worker.listen({
    message: send,
    died(error) {
      console.error(`hypha: ${error.message}`)
      stream.destroy()
    },
  })
}
