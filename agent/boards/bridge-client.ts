import { connect, type Socket } from 'node:net'
import { FramedReader, framed } from '@hypha/core/bytes/framed.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { type FromBridge, fromBridge, type ToBridge, toBridge } from '@hypha/core/wire/board/agent-port.ts'
import { maxMessageBytes } from '@hypha/core/wire/codec.ts'

export interface BridgeClient {
  say(message: ToBridge): void
  /** Ends the bridge. */
  stop(): void
}

export interface BridgeEvents {
  heard(message: FromBridge): void
  /** It has gone; what was asked of it isn't answered any more. */
  lost(why: string): void
}

/** One that has gone is started again within about a second. */
const againMs = 1_000

/** Speaks to the bridge at a socket, and to the one that comes in its place whenever it has gone. */
export function connectBridge(path: string, clock: Clock, on: BridgeEvents): BridgeClient {
  let socket: Socket | null = null
  let cancel = (): void => undefined
  let stopped = false
  /** Of a bridge that isn't back yet nothing is lost. */
  let there = true
  const open = () => {
    const reader = new FramedReader(maxMessageBytes)
    const own = connect(path)
    socket = own
    const end = (why: string) => {
      own.destroy()
      if (stopped || socket !== own) return
      socket = null
      cancel = clock.after(againMs, open)
      if (there) on.lost(why)
      there = false
    }
    own.on('data', (bytes) => {
      there = true
      try {
        for (const message of reader.push(bytes)) on.heard(fromBridge.decode(message))
      } catch (error) {
        end(`it says what can't be read: ${(error as Error).message}`)
      }
    })
    own.on('error', (error) => end(error.message))
    own.on('close', () => end('it closed the connection'))
  }
  open()
  return {
    say: (message) => {
      if (!stopped) socket?.write(framed(toBridge.encode(message)))
    },
    stop() {
      cancel()
      if (!stopped) socket?.end(framed(toBridge.encode({ kind: 'stop', request: 1 })))
      stopped = true
    },
  }
}
