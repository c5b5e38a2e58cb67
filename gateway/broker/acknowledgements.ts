import type { Client } from 'aedes'

/** What of aedes and its parser this file steps into; tests on the wire hold it to that. */
interface Inside {
  readonly conn: { readonly readableLength: number; push(bytes: Buffer | null): boolean }
  /** What has come of a packet whose rest hasn't, and how far the parser is with it. */
  readonly _parser: { readonly _list: { readonly length: number }; readonly _stateCounter: number }
  /** After CONNACK and all that the session's queue held. */
  readonly connected: boolean
  readonly closed: boolean
  readonly _keepaliveInterval?: number
  readonly _keepaliveTimer?: NodeJS.Timeout | null
}

/** PUBACK, with nothing behind its packet id (MQTT 3.1.1, 3.4). */
const puback = 0x40
const pubackBytes = 4

/** A connection's timer is moved on so many times in its length, at most: that is dear where ten thousand answer at once, and by a third of it a client may be late. */
const heardPerKeepalive = 16

/**
 * Takes PUBACKs off the front of what a client sends, before they are put where aedes reads: of those that `acknowledge` says yes to it never hears. Each of ten thousand nodes answers a broadcast
 * with one, and a stream's turn, a packet object, an event and a promise for each would cost more than the sending. A client can't flood this way: a packet id is acknowledged once, and any other
 * goes the way of all packets, with its limits.
 */
export function takeAcknowledgements(client: Client, acknowledge: (messageId: number) => boolean): void {
  const inside = client as unknown as Inside
  const { conn, _parser: parser } = inside
  const push = conn.push
  /** Whether aedes has all that came before, and what comes begins a packet: only what is pushed changes that. */
  let isPacket = false
  let heardUntil = 0
  const pass = (bytes: Buffer | null) => {
    isPacket = false
    return push.call(conn, bytes)
  }
  conn.push = (bytes) => {
    if (bytes === null || bytes[0] !== puback || inside.closed) return pass(bytes)
    isPacket ||=
      inside.connected && conn.readableLength === 0 && parser._stateCounter === 0 && parser._list.length === 0
    if (!isPacket) return pass(bytes)
    let at = 0
    while (
      at + pubackBytes <= bytes.length &&
      bytes[at] === puback &&
      bytes[at + 1] === pubackBytes - 2 &&
      acknowledge((bytes[at + 2]! << 8) | bytes[at + 3]!)
    ) {
      at += pubackBytes
    }
    if (at > 0) heard()
    return at === bytes.length || pass(at === 0 ? bytes : bytes.subarray(at))
  }

  /** As any packet shows that it is alive [MQTT-3.1.2-24]. */
  const heard = () => {
    const now = performance.now()
    if (now < heardUntil) return
    const { _keepaliveInterval: ms = 0, _keepaliveTimer: timer } = inside
    heardUntil = now + ms / heardPerKeepalive
    if (ms > 0) timer?.refresh()
  }
}
