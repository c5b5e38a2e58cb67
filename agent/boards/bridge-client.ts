import { connect } from 'node:net'
import { FramedReader, framed } from '@hypha/core/bytes/framed.ts'
import { type FromBridge, fromBridge, type ToBridge, toBridge } from '@hypha/core/wire/board/agent-port.ts'
import { maxMessageBytes } from '@hypha/core/wire/codec.ts'

export interface BridgeClient {
  say(message: ToBridge): void
  /** Ends the bridge. */
  stop(): void
}

/** Speaks to the bridge at a socket. `lost` is called once if it goes away; the bridge is started with the agent, so that it doesn't come back before the agent does. */
export function connectBridge(
  path: string,
  heard: (message: FromBridge) => void,
  lost: (why: string) => void,
): BridgeClient {
  const reader = new FramedReader(maxMessageBytes)
  const socket = connect(path)
  let over = false
  const end = (why: string) => {
    socket.destroy()
    if (over) return
    over = true
    lost(why)
  }
  socket.on('data', (bytes) => {
    try {
      for (const message of reader.push(bytes)) heard(fromBridge.decode(message))
    } catch (error) {
      end(`it says what can't be read: ${(error as Error).message}`)
    }
  })
  socket.on('error', (error) => end(error.message))
  socket.on('close', () => end('it closed the connection'))
  return {
    say: (message) => {
      if (!over) socket.write(framed(toBridge.encode(message)))
    },
    stop() {
      if (!over) socket.end(framed(toBridge.encode({ kind: 'stop', request: 1 })))
      over = true
    },
  }
}
