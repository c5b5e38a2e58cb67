import { HyphaError } from '@hypha/core/errors.ts'
import type { HostContext } from './host.ts'
import { lineWriter } from './log.ts'

// What the WASI functions do, however they are bound.

export const stdout = 1
export const stderr = 2
/** What a stream says that it takes at once. */
export const writableBytes = 4_096n
const maxRandomBytes = 65_536

/** Throws `abi-trap` for more than the cap. */
export function randomBytes(length: bigint): Uint8Array {
  if (length > maxRandomBytes)
    throw new HyphaError('abi-trap', `${length} random bytes were asked for, the cap is ${maxRandomBytes}`)
  return crypto.getRandomValues(new Uint8Array(Number(length)))
}

export const randomU64 = (): bigint => crypto.getRandomValues(new BigUint64Array(1))[0]!

/** Cuts what a module writes to its standard outputs into log lines. */
export function outputLines(context: HostContext): (handle: number, content: Uint8Array) => void {
  const write = lineWriter(context)
  const decoders = new Map<number, { decoder: InstanceType<typeof TextDecoder>; begun: string }>()
  return (handle, content) => {
    const output = decoders.get(handle) ?? { decoder: new TextDecoder(), begun: '' }
    decoders.set(handle, output)
    const lines = (output.begun + output.decoder.decode(content, { stream: true })).split('\n')
    output.begun = lines.pop()!.slice(0, 4_096)
    for (const line of lines) write(handle === stderr ? 'warn' : 'info', line)
  }
}

/** The error `closed` of `wasi:io/streams`, as jco throws errors of results: an input that is at its end. */
export function closedStream(): never {
  throw Object.assign(new Error('closed'), { payload: { tag: 'closed' } })
}
