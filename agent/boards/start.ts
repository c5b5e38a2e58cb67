import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HyphaError } from '@hypha/core/errors.ts'
import { socketPath, startBeside } from '../beside.ts'

// The bridge is a program of its own: serialport is native code, which the agent runs without. Only its socket is known here, never its source.
const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../firmware-bridge/main.ts' : './bridge/main.js', import.meta.url),
)

/**
 * Starts the bridge to the boards on these serial ports, again whenever it dies, and answers the path of its socket; null where there are no ports to watch.
 *
 * @throws HyphaError `bridge-unreachable`.
 */
export async function startBridge(home: string, ports: readonly string[]): Promise<string | null> {
  if (ports.length === 0) return null
  if (!existsSync(program)) {
    throw new HyphaError('bridge-unreachable', `There is no bridge at ${program}`, {
      mend: 'This installation of the agent is without it: run the agent from the source tree, or without --serial.',
    })
  }
  const socket = socketPath(home, 'bridge')
  const args = ['serve', socket, '--while', String(process.pid), ...ports.flatMap((port) => ['--port', port])]
  await startBeside({ name: 'bridge', program, args, code: 'bridge-unreachable', again: true })
  return socket
}
