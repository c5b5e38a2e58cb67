import type { Client } from 'aedes'
import { Bucket, type Rate } from './bucket.ts'

/** What of aedes and its parser this file steps into; tests on the wire hold it to that. */
interface Inside {
  readonly _parser: Parser
  readonly conn: { read(size?: number | null): Buffer | null }
  /** Packets that are being handled: when none is, it reads on. */
  readonly _parsingBatch: number
  readonly closed: boolean
  _nextBatch(): void
}

interface Parser {
  packet: { cmd: string; length: number }
  parse(bytes: Buffer): number
  _parseHeader(): boolean
  _parseLength(): boolean
  _emitError(error: Error): false
}

export interface PacketLimits {
  /** A packet's bytes, all told. */
  readonly maxPacketBytes: number
  /** What a client may send. A packet counts as one; SUBSCRIBE and UNSUBSCRIBE as many, by their length. */
  readonly packetRate: Rate
  readonly byteRate: Rate
  /** A client that sends more than its rate for so long without a pause is disconnected. */
  readonly maxThrottledMs: number
  /** Packets of one client that are read in one turn of the event loop. */
  readonly packetsPerTurn: number
}

interface PacketLimitPorts {
  readonly now: () => number
  /** The client sends too fast, and is read no faster than it may send; told once for each time that it goes on. */
  readonly onThrottled: () => void
  readonly onTooLong: () => void
}

const nothing = Buffer.alloc(0)

/**
 * Limits what a client sends: it is read no faster than its rate, so that TCP holds it back, and nothing of what it sent is lost. It is read in small portions, between
 * which the others have their turn. A packet that announces more than may be ends the connection, before any of it is gathered.
 *
 * aedes has no such limits. Its parser is a loop over functions that return false to wait for more bytes; this waits in the same place, before a packet's
 * first byte, for time to pass.
 */
export function limitPackets(client: Client, limits: PacketLimits, ports: PacketLimitPorts): void {
  const inside = client as unknown as Inside
  const parser = inside._parser
  const start = ports.now()
  const packets = new Bucket(limits.packetRate, start)
  const bytes = new Bucket(limits.byteRate, start)
  let throttledSince: number | null = null
  let timer: NodeJS.Timeout | NodeJS.Immediate | null = null
  let thisTurn = 0
  let turnBegun = false

  const goOn = () => {
    timer = null
    if (inside.closed) return
    parser.parse(nothing)
    readOn()
  }

  /** Otherwise the last packet that is being handled reads on. */
  const readOn = () => {
    if (timer === null && !inside.closed && inside._parsingBatch <= 0) inside._nextBatch()
  }

  const wait = (ms: number) => {
    timer ??= ms === 0 ? setImmediate(goOn) : setTimeout(goOn, ms).unref()
  }

  /** How long the next packet has to wait, in ms; null if not at all. */
  const waitFor = (): number | null => {
    const now = ports.now()
    const ms = Math.max(packets.waitMs(now), bytes.waitMs(now))
    if (ms > 0) {
      if (throttledSince === null) {
        throttledSince = now
        ports.onThrottled()
      } else if (now - throttledSince > limits.maxThrottledMs) {
        ports.onTooLong()
      }
      return ms
    }
    if (throttledSince !== null && packets.isFull(now) && bytes.isFull(now)) throttledSince = null
    if (thisTurn < limits.packetsPerTurn) return null
    return 0
  }

  // What aedes read meanwhile would only be kept; in the socket it holds the client back. Nor may it read in the middle of a packet: one that is handled at once
  // asks for the next bytes while the parser still stands on it.
  let parsing = false
  let missed = false
  const { conn } = inside
  const read = conn.read
  conn.read = (size) => {
    if (size !== null || (timer === null && !parsing)) return read.call(conn, size)
    missed = true
    return null
  }
  const parse = parser.parse
  parser.parse = function guarded(this: Parser, more: Buffer) {
    parsing = true
    missed = false
    const left = parse.call(this, more)
    parsing = false
    if (missed && timer === null) setImmediate(readOn)
    return left
  }

  const parseHeader = parser._parseHeader
  parser._parseHeader = function held(this: Parser) {
    const ms = timer === null ? waitFor() : 0
    if (ms !== null) {
      wait(ms)
      return false
    }
    thisTurn++
    if (!turnBegun) {
      turnBegun = true
      setImmediate(() => {
        turnBegun = false
        thisTurn = 0
      })
    }
    return parseHeader.call(this)
  }

  const parseLength = parser._parseLength
  parser._parseLength = function limited(this: Parser) {
    const known = parseLength.call(this)
    if (!known) return false
    const { cmd, length } = this.packet
    if (length > limits.maxPacketBytes) {
      return this._emitError(new Error(`a packet of ${length} bytes, at most ${limits.maxPacketBytes} are allowed`))
    }
    const now = ports.now()
    packets.charge(costOf(cmd, length), now)
    bytes.charge(length, now)
    return true
  }
}

/** A subscription is looked up among all retained messages, which may be sent in answer. */
const costOf = (cmd: string, length: number): number =>
  cmd === 'subscribe' || cmd === 'unsubscribe' ? 16 + length / 16 : 1
