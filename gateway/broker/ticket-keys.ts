import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { ticketNameBytes } from './client-hello.ts'

// docs/adr/0014-ticket-keys.md says why they are on disk, and why so many are kept.

/** Name, HMAC key and AES key, 16 bytes each: what OpenSSL takes. */
const keyBytes = 48

export interface TicketKeys {
  /** The keys by which TLS sessions can be resumed now, the newest first: new sessions go under that one. Makes a new one when it is time. */
  current(): readonly Buffer[]
}

interface TicketKeyTiming {
  /** How long sessions go under one key. */
  readonly rotateMs: number
  /** How long after that they can still be resumed. */
  readonly keepMs: number
}

const dayMs = 86_400_000

/** A session can be resumed for seven days at most (RFC 8446, 4.6.1). */
const defaultTicketKeyTiming: TicketKeyTiming = { rotateMs: dayMs, keepMs: 7 * dayMs }

interface Made {
  /** ms since 1970. */
  readonly at: number
  readonly key: Buffer
}

export const ticketKeyName = (key: Buffer): string => key.toString('hex', 0, ticketNameBytes)

/** Keys in a file that only its owner reads. What can't be read or written goes to `onError`: then nodes make full handshakes, and nothing else is lost. */
export function ticketKeysInFile(
  path: string,
  onError: (error: unknown) => void,
  now: () => number = Date.now,
  timing: TicketKeyTiming = defaultTicketKeyTiming,
): TicketKeys {
  const read = (): Made[] => {
    try {
      return existsSync(path) ? parse(readFileSync(path, 'utf8')) : []
    } catch (error) {
      onError(error)
      return []
    }
  }
  const write = (keys: readonly Made[]) => {
    try {
      writeDurably(path, JSON.stringify(keys.map(({ at, key }) => ({ at, key: key.toString('base64') }))))
    } catch (error) {
      onError(error)
    }
  }
  return rotating(read(), write, now, timing)
}

/** Keys that end with the process. */
export function ticketKeysInMemory(
  now: () => number = Date.now,
  timing: TicketKeyTiming = defaultTicketKeyTiming,
): TicketKeys {
  return rotating([], () => undefined, now, timing)
}

function rotating(
  stored: Made[],
  write: (keys: readonly Made[]) => void,
  now: () => number,
  { rotateMs, keepMs }: TicketKeyTiming,
): TicketKeys {
  let keys = stored.toSorted((a, b) => b.at - a.at)
  return {
    current() {
      const time = now()
      // One from the future was made before the clock was set back: it would never be replaced.
      const good = keys.filter(({ at }) => at <= time && time < at + rotateMs + keepMs)
      const [newest] = good
      const isDue = newest === undefined || time >= newest.at + rotateMs
      if (isDue) good.unshift({ at: time, key: randomBytes(keyBytes) })
      if (isDue || good.length !== keys.length) write(good)
      keys = good
      return keys.map(({ key }) => key)
    },
  }
}

function parse(text: string): Made[] {
  const entries = JSON.parse(text) as { at: number; key: string }[]
  return entries.map(({ at, key }) => {
    const bytes = Buffer.from(key, 'base64')
    if (typeof at !== 'number' || bytes.length !== keyBytes) throw new Error('The file of TLS ticket keys is damaged')
    return { at, key: bytes }
  })
}

function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}
