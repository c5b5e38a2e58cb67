import { HyphaError } from '@hypha/core/errors.ts'
import type { HostContext } from './host.ts'
import { outputLines, randomBytes, randomU64, stderr, stdout, writableBytes } from './wasi-common.ts'

/** What the shims need of the guest. */
export interface WasiGuest {
  memory(): { readonly buffer: ArrayBuffer }
  realloc(oldPointer: number, oldSize: number, align: number, newSize: number): number
}

type CoreFunction = (...flat: never[]) => number | bigint | undefined

/** Handles carry no state: a pollable is always ready. */
const anyHandle = 3
/** An empty list's pointer: not null, and aligned for everything. */
const nowhere = 8

/**
 * The WASI 0.2 functions that toolchains emit without being asked, as core functions after lowering (component model, Canonical ABI): clocks,
 * randomness, output as log lines, and an environment that is empty. By interface without its version, and function.
 */
export function wasiFunctions(
  context: HostContext,
  guest: WasiGuest,
): (interfaceName: string, func: string) => CoreFunction | null {
  const view = (): DataView => new DataView(guest.memory().buffer)
  const bytes = (at: number, length: number): Uint8Array =>
    new Uint8Array(guest.memory().buffer, at >>> 0, length >>> 0)
  const none = (at: number): undefined => void view().setUint8(at >>> 0, 0)
  const emptyList = (at: number): undefined => {
    view().setUint32(at >>> 0, nowhere, true)
    view().setUint32((at >>> 0) + 4, 0, true)
    return undefined
  }
  const list = (at: number, align: number, content: Uint8Array): undefined => {
    const pointer = guest.realloc(0, 0, align, content.length)
    bytes(pointer, content.length).set(content)
    view().setUint32(at >>> 0, pointer, true)
    view().setUint32((at >>> 0) + 4, content.length / align, true)
    return undefined
  }
  /** `result<T, stream-error>` with `closed`. */
  const closed = (at: number): undefined => {
    view().setUint8(at >>> 0, 1)
    view().setUint8((at >>> 0) + 4, 1)
    return undefined
  }
  const putRandomBytes = (length: bigint, at: number): undefined => list(at, 1, randomBytes(length))
  const lines = outputLines(context)
  const write = (handle: number, at: number, length: number, result: number): undefined => {
    lines(handle, bytes(at, length))
    return none(result)
  }
  const exit = (code: number): never => {
    throw new HyphaError('abi-trap', `the module called exit(${code})`)
  }
  const handle = (): number => anyHandle
  const noDescriptor = (): never => {
    throw new HyphaError('abi-trap', 'the module uses a file descriptor, and none was ever open')
  }
  const nothing = (): undefined => undefined

  const table: Readonly<Record<string, Readonly<Record<string, CoreFunction>>>> = {
    'wasi:cli/environment': { 'get-environment': emptyList, 'get-arguments': emptyList, 'initial-cwd': none },
    'wasi:cli/exit': { exit, 'exit-with-code': exit },
    'wasi:cli/stdin': { 'get-stdin': handle },
    'wasi:cli/stdout': { 'get-stdout': () => stdout },
    'wasi:cli/stderr': { 'get-stderr': () => stderr },
    'wasi:cli/terminal-stdin': { 'get-terminal-stdin': none },
    'wasi:cli/terminal-stdout': { 'get-terminal-stdout': none },
    'wasi:cli/terminal-stderr': { 'get-terminal-stderr': none },
    'wasi:clocks/monotonic-clock': {
      now: () => BigInt(Math.trunc(context.monotonic() * 1_000_000)),
      resolution: () => 1_000n,
      'subscribe-instant': handle,
      'subscribe-duration': handle,
    },
    'wasi:clocks/wall-clock': {
      now(at: number) {
        const now = context.now()
        view().setBigUint64(at >>> 0, BigInt(Math.floor(now / 1_000)), true)
        view().setUint32((at >>> 0) + 8, Math.floor(now % 1_000) * 1_000_000, true)
        return undefined
      },
      resolution(at: number) {
        view().setBigUint64(at >>> 0, 0n, true)
        view().setUint32((at >>> 0) + 8, 1_000_000, true)
        return undefined
      },
    },
    'wasi:filesystem/preopens': { 'get-directories': emptyList },
    'wasi:filesystem/types': { 'filesystem-error-code': (_error: number, at: number) => none(at) },
    'wasi:random/random': { 'get-random-bytes': putRandomBytes, 'get-random-u64': randomU64 },
    'wasi:random/insecure': { 'get-insecure-random-bytes': putRandomBytes, 'get-insecure-random-u64': randomU64 },
    'wasi:random/insecure-seed': {
      'insecure-seed'(at: number) {
        view().setBigUint64(at >>> 0, randomU64(), true)
        view().setBigUint64((at >>> 0) + 8, randomU64(), true)
        return undefined
      },
    },
    'wasi:io/error': { '[method]error.to-debug-string': (_self: number, at: number) => emptyList(at) },
    'wasi:io/poll': {
      '[method]pollable.ready': () => 1,
      '[method]pollable.block': nothing,
      // All are ready: the indices 0 to n − 1.
      poll: (_at: number, length: number, result: number) =>
        list(
          result,
          4,
          new Uint8Array(Uint32Array.from({ length: Math.min(length, 1_024) }, (_, index) => index).buffer),
        ),
    },
    'wasi:io/streams': {
      '[method]output-stream.check-write'(_self: number, at: number) {
        view().setUint8(at >>> 0, 0)
        view().setBigUint64((at >>> 0) + 8, writableBytes, true)
        return undefined
      },
      '[method]output-stream.write': write,
      '[method]output-stream.blocking-write-and-flush': write,
      '[method]output-stream.flush': (_self: number, at: number) => none(at),
      '[method]output-stream.blocking-flush': (_self: number, at: number) => none(at),
      '[method]output-stream.subscribe': handle,
      '[method]input-stream.read': (_self: number, _length: bigint, at: number) => closed(at),
      '[method]input-stream.blocking-read': (_self: number, _length: bigint, at: number) => closed(at),
      '[method]input-stream.subscribe': handle,
    },
  }
  return (interfaceName, func) => {
    if (func.startsWith('[resource-drop]')) return nothing
    if (func.startsWith('[method]descriptor.')) return noDescriptor
    return table[interfaceName.split('@')[0] ?? '']?.[func] ?? null
  }
}
