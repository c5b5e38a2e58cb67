import { Socket } from 'node:net'
import { exit } from 'node:process'
import { serveCell } from '../sandbox/process-cell.ts'
import { cellFd } from './components.ts'
import { transpile } from './transpile.ts'

/** The process of one cell whose modules run as whole components: ends when the agent closes the connection or is gone. */
export function serveComponents(): void {
  const connection = new Socket({ fd: cellFd, readable: true, writable: true })
  connection.on('error', (error) => console.error(`hypha: ${error.message}`))
  connection.on('close', () => exit(0))
  serveCell(connection, transpile)
}
