import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { socketPath, startBeside } from '../beside.ts'
import { needsHelper, parseNodeFile } from '../host/node-file.ts'

// From source it is beside this file; in a bundle, this file is part of the agent's own program.
const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './helper/main.js', import.meta.url),
)

/**
 * Starts the helper process, where the node's file has something for it, and answers the path of its socket; null where it has nothing.
 *
 * @throws HyphaError `node-file-invalid`, `helper-unreachable`.
 */
export async function startHelper(home: string): Promise<string | null> {
  const file = join(home, 'agent.toml')
  if (!existsSync(file) || !needsHelper(parseNodeFile(readFileSync(file, 'utf8'), file))) return null
  const socket = socketPath(home, 'helper')
  await startBeside({ name: 'helper', program, args: [home, socket], code: 'helper-unreachable' })
  return socket
}
