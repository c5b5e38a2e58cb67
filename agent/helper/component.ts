import { Socket } from 'node:net'
import { exit } from 'node:process'
import { asHyphaError } from '@hypha/core/errors.ts'
import { Frames } from '../sandbox/frames.ts'
import { maxComponentMessageBytes, serveCell } from '../sandbox/process-cell.ts'
import type { CellModule } from '../sandbox/protocol.ts'
import { connectionFd } from './components.ts'
import { transpile } from './transpile.ts'

/** The process of one cell whose modules run as whole components: ends when the agent closes the connection or is gone. */
export function runCell(): void {
  serveCell(toAgent())
}

/** The process that takes one component apart, answers, and gives back the memory that this took by ending. */
export function transpileOne(): void {
  const connection = toAgent()
  const frames = new Frames(connection, maxComponentMessageBytes, (module) => {
    transpile(module as CellModule).then(
      (transpiled) => frames.send({ transpiled }),
      (thrown) => frames.send({ error: asHyphaError(thrown).toJSON() }),
    )
  })
  frames.send('ready')
}

function toAgent(): Socket {
  const connection = new Socket({ fd: connectionFd, readable: true, writable: true })
  connection.on('error', (error) => console.error(`hypha: ${error.message}`))
  connection.on('close', () => exit(0))
  return connection
}
