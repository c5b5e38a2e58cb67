import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ErrorCode, HyphaError } from '@hypha/core/errors.ts'

// Processes beside the agent, started before it gives up the right to start any.

/** What the kernel takes as the path of a Unix socket, its final NUL included: 104 bytes on macOS, 108 on Linux. */
const maxSocketPath = 103
const startMs = 10_000

interface Beside {
  /** As people call it: "helper". */
  readonly name: string
  /** What Node runs. */
  readonly program: string
  readonly args: readonly string[]
  /** What is thrown where it doesn't come up. */
  readonly code: ErrorCode
  /** It is started again whenever it ends with anything but 0: the agent itself may start nothing any more then. */
  readonly again?: boolean
}

/** A shell of a megabyte is all that it takes. */
const keepRunning = 'until "$@"; do sleep 1; done'

/**
 * Starts a process that says a line once it listens. It sees to its own end when this process ends, also when that has replaced itself by another
 * program. Throws `code`.
 */
export async function startBeside({ name, program, args, code, again = false }: Beside): Promise<void> {
  const own = [process.execPath, '--disable-warning=ExperimentalWarning', program, ...args]
  const [command, ...rest] = again ? ['/bin/sh', '-c', keepRunning, name, ...own] : own
  const started = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = (why: string): void => reject(new HyphaError(code, `The ${name} didn't start: ${why}`))
  const timer = setTimeout(() => fail(`it was not ready after ${startMs / 1_000} s`), startMs)
  started.once('error', (error) => fail(error.message))
  started.once('exit', (exitCode, signal) => fail(`it ended with ${signal ?? exitCode}`))
  started.stdout.once('data', () => resolve())
  try {
    await promise
  } catch (error) {
    started.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
    started.removeAllListeners('exit')
    started.stdout.destroy()
    started.unref()
  }
}

/** A path for the socket of such a process, with nothing there: in the agent's folder, which is its owner's alone, or in a new folder of that kind where the path would be too long. */
export function socketPath(home: string, name: string): string {
  const folder = join(home, 'run')
  const path = join(folder, name)
  if (Buffer.byteLength(path) > maxSocketPath) return join(mkdtempSync(join(tmpdir(), 'hypha-')), name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  rmSync(path, { force: true })
  return path
}
