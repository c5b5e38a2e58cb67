import { HyphaError } from '@hypha/core/errors.ts'
import type { HostContext } from './host.ts'
import { closedStream, outputLines, randomBytes, randomU64, stderr, stdout, writableBytes } from './wasi-common.ts'

/**
 * What `wasi.ts` gives a core form, as the objects that jco's glue takes: by interface without its version, names in camelCase, resources as
 * classes, errors of results thrown.
 */
export function wasiObjects(context: HostContext): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const lines = outputLines(context)

  class Pollable {
    ready = (): boolean => true
    block(): void {
      // It is ready.
    }
  }
  class IoError {
    toDebugString = (): string => ''
  }
  class InputStream {
    read = closedStream
    blockingRead = closedStream
    subscribe = (): Pollable => new Pollable()
  }
  class OutputStream {
    readonly #handle: number
    constructor(handle: number) {
      this.#handle = handle
    }
    checkWrite = (): bigint => writableBytes
    write(content: Uint8Array): void {
      lines(this.#handle, content)
    }
    blockingWriteAndFlush(content: Uint8Array): void {
      lines(this.#handle, content)
    }
    flush(): void {
      // Lines are written as they end.
    }
    blockingFlush(): void {
      // As `flush`.
    }
    subscribe = (): Pollable => new Pollable()
  }
  class Terminal {}
  /** There is none. */
  class Descriptor {}

  const exit = (status: unknown): never => {
    const code = typeof status === 'number' ? status : (status as { tag?: string }).tag === 'ok' ? 0 : 1
    throw new HyphaError('abi-trap', `the module called exit(${code})`)
  }
  const random = { getRandomBytes: randomBytes, getRandomU64: randomU64 }
  const wallClock = () => {
    const now = context.now()
    return { seconds: BigInt(Math.floor(now / 1_000)), nanoseconds: Math.floor(now % 1_000) * 1_000_000 }
  }
  const pollable = (): Pollable => new Pollable()
  const none = (): undefined => undefined
  const emptyList = (): [] => []

  return {
    'wasi:cli/environment': { getEnvironment: emptyList, getArguments: emptyList, initialCwd: none },
    'wasi:cli/exit': { exit, exitWithCode: exit },
    'wasi:cli/stdin': { getStdin: () => new InputStream() },
    'wasi:cli/stdout': { getStdout: () => new OutputStream(stdout) },
    'wasi:cli/stderr': { getStderr: () => new OutputStream(stderr) },
    'wasi:cli/terminal-input': { TerminalInput: Terminal },
    'wasi:cli/terminal-output': { TerminalOutput: Terminal },
    'wasi:cli/terminal-stdin': { getTerminalStdin: none },
    'wasi:cli/terminal-stdout': { getTerminalStdout: none },
    'wasi:cli/terminal-stderr': { getTerminalStderr: none },
    'wasi:clocks/monotonic-clock': {
      now: () => BigInt(Math.trunc(context.monotonic() * 1_000_000)),
      resolution: () => 1_000n,
      subscribeInstant: pollable,
      subscribeDuration: pollable,
    },
    'wasi:clocks/wall-clock': { now: wallClock, resolution: () => ({ seconds: 0n, nanoseconds: 1_000_000 }) },
    'wasi:filesystem/preopens': { getDirectories: emptyList },
    'wasi:filesystem/types': { Descriptor, DirectoryEntryStream: Descriptor, filesystemErrorCode: none },
    'wasi:random/random': random,
    'wasi:random/insecure': { getInsecureRandomBytes: randomBytes, getInsecureRandomU64: randomU64 },
    'wasi:random/insecure-seed': { insecureSeed: () => [randomU64(), randomU64()] },
    'wasi:io/error': { Error: IoError },
    'wasi:io/poll': {
      Pollable,
      // All are ready.
      poll: (pollables: readonly Pollable[]) => Uint32Array.from(pollables.slice(0, 1_024), (_, index) => index),
    },
    'wasi:io/streams': { InputStream, OutputStream },
  }
}
