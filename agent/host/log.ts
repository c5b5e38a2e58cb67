import type { LogLevel } from '@hypha/core/wire/messages/report.ts'
import { TokenBucket } from './bucket.ts'
import { maxTurn } from './effects.ts'
import type { HostContext, HostFunctions } from './host.ts'

/** `log.wit`: a longer line is cut. */
const maxLineBytes = 1_024
/** A module in distress may say much at once, but not for long. */
const linesPerS = 100

/** `hypha:host/log`. */
export function logFunctions(context: HostContext): HostFunctions {
  return { write: lineWriter(context) }
}

/** Takes one line of the module's, as long as it is within its rate. */
export function lineWriter(context: HostContext): (level: LogLevel, message: string) => void {
  const { effects } = context
  const bucket = new TokenBucket(linesPerS, () => context.monotonic())
  return (level, message) => {
    if (effects.logs.length >= maxTurn.logs || !bucket.take()) {
      effects.throttled.logs++
      return
    }
    effects.logs.push({ level, text: cut(message), atMs: context.now() })
  }
}

const encoder = new TextEncoder()
const scratch = new Uint8Array(maxLineBytes)

function cut(message: string): string {
  // A UTF-16 unit takes at most three bytes.
  if (message.length * 3 <= maxLineBytes) return message
  const { read } = encoder.encodeInto(message, scratch)
  return read === message.length ? message : message.slice(0, read)
}
