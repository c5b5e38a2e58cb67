import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyphaError } from '@hypha/core/errors.ts'
import { needsHelper, parseNodeFile } from '../host/node-file.ts'

/** What the kernel takes as the path of a Unix socket, its final NUL included: 104 bytes on macOS, 108 on Linux. */
const maxSocketPath = 103
const startMs = 10_000

// From source it is beside this file; in a bundle, this file is part of the agent's own program.
const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './helper/main.js', import.meta.url),
)

/**
 * Starts the helper process, where the node's file has something for it, and answers the path of its socket; null where it has nothing. The helper
 * ends when this process ends, also when that has replaced itself by another program.
 *
 * @throws HyphaError `node-file-invalid`, `helper-unreachable`.
 */
export async function startHelper(home: string): Promise<string | null> {
  const file = join(home, 'agent.toml')
  if (!existsSync(file) || !needsHelper(parseNodeFile(readFileSync(file, 'utf8'), file))) return null
  const socket = socketPath(home)
  rmSync(socket, { force: true })
  const helper = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, home, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = (why: string): void => reject(new HyphaError('helper-unreachable', `The helper didn't start: ${why}`))
  const timer = setTimeout(() => fail(`it was not ready after ${startMs / 1_000} s`), startMs)
  helper.once('error', (error) => fail(error.message))
  helper.once('exit', (code, signal) => fail(`it ended with ${signal ?? code}`))
  helper.stdout.once('data', () => resolve())
  try {
    await promise
  } catch (error) {
    helper.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
    helper.removeAllListeners('exit')
    helper.stdout.destroy()
    helper.unref()
  }
  return socket
}

/** In the agent's folder, which is its owner's alone, or in a new folder of that kind where the path would be too long. */
function socketPath(home: string): string {
  const folder = join(home, 'run')
  const path = join(folder, 'helper')
  if (Buffer.byteLength(path) <= maxSocketPath) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return path
  }
  return join(mkdtempSync(join(tmpdir(), 'hypha-')), 'helper')
}
