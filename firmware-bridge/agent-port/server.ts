import { createServer, type Server, type Socket } from 'node:net'
import { FramedReader, framed } from '@hypha/core/bytes/framed.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { type FromBridge, fromBridge, type ToBridge, toBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { Bridge, BridgeEvent } from '../boards/bridge.ts'
import { Requests } from './requests.ts'

/** The longest message that an agent may send: the largest content with what is said about it. */
const maxMessageBytes = 4 * 1024 * 1024 + 1_024
/** An agent that reads no more is left, before its messages fill this process's memory. */
const maxWaitingBytes = 8 * 1024 * 1024

/** The way of an agent to the bridge: a Unix socket in a folder of its owner's. */
export class AgentPort {
  readonly #bridge: Bridge
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  readonly #stop: () => void
  /** Boards have said what no agent was there for. */
  #unheard = false

  /** Calls `ready` once agents may connect, and `stop` when one says that all is over. */
  constructor(bridge: Bridge, socketPath: string, on: { ready(): void; stop(): void }) {
    this.#bridge = bridge
    this.#stop = on.stop
    this.#server = createServer((socket) => this.#serve(socket)).listen(socketPath, on.ready)
  }

  /** What happens on the bridge, to be told to every agent that is connected. */
  heard(event: BridgeEvent): void {
    // What a board reports it gives once in an opening.
    if (this.#sockets.size === 0 && event.kind === 'said') this.#unheard = true
    for (const socket of this.#sockets) say(socket, told(event))
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    const reader = new FramedReader(maxMessageBytes)
    const requests = new Requests(this.#bridge, (message) => say(socket, message))
    this.#sockets.add(socket)
    socket.on('data', (bytes) => {
      for (const asked of readAll(reader, bytes, socket)) {
        if (asked.kind === 'stop') this.#stop()
        else void requests.take(asked)
      }
    })
    // The end of a connection is seen as its close.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      requests.close()
    })
    this.#greet(socket)
    if (this.#unheard) this.#bridge.reopen()
    this.#unheard = false
  }

  #greet(socket: Socket): void {
    for (const { path } of this.#bridge.lines()) say(socket, { kind: 'port', path, status: 'open', message: null })
    for (const { id, path, identify, state, messageBytes } of this.#bridge.boards()) {
      if (path === null) continue
      say(socket, { kind: 'appeared', path, identify, messageBytes })
      if (state !== null) say(socket, { kind: 'said', board: id, message: { kind: 'state', ...state } })
    }
  }
}

/** What an agent says is read whole or not at all: one that says what can't be read is left. */
function readAll(reader: FramedReader, bytes: Uint8Array, socket: Socket): ToBridge[] {
  try {
    return reader.push(bytes).map((message) => toBridge.decode(message))
  } catch (error) {
    if (!(error instanceof HyphaError)) throw error
    console.error(`hypha-bridge: an agent is left: ${error.message}`)
    socket.destroy()
    return []
  }
}

function say(socket: Socket, message: FromBridge): void {
  if (!socket.writable) return
  socket.write(framed(fromBridge.encode(message)))
  if (socket.writableLength > maxWaitingBytes) socket.destroy()
}

function told(event: BridgeEvent): FromBridge {
  switch (event.kind) {
    case 'appeared':
    case 'identified': {
      const { path, identify, messageBytes } = event.board
      return { kind: 'appeared', path: path ?? '', identify, messageBytes }
    }
    case 'left':
      return { kind: 'left', board: event.board.id, why: event.why }
    case 'said':
      return { kind: 'said', board: event.board.id, message: event.message }
    case 'impostor':
      return { kind: 'impostor', board: event.board.id, path: event.path, sameKey: event.sameKey }
    case 'port':
      return event
  }
}
