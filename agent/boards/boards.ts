import type { Log } from '@hypha/core/platform/log.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import type { FromBridge } from '@hypha/core/wire/board/agent-port.ts'
import { toChild } from '@hypha/core/wire/messages/child.ts'
import { childrenMessage } from '@hypha/core/wire/messages/children.ts'
import { type ChildState, maxChildren } from '@hypha/core/wire/messages/state.ts'
import { err, type HostCall, ok } from '../host/host.ts'
import { Board } from './board.ts'
import { BoardCalls } from './board-calls.ts'
import { connectBridge } from './bridge-client.ts'
import type { RootVersion } from './bringing.ts'
import type { BoardPorts } from './ports.ts'
import { Requests } from './requests.ts'

/** The boards at this node's serial ports. */
export interface Boards {
  /** Serves a sensor or an actuator of a board for an instance here whose home the board is, as the drivers of this node's own would; null where the request isn't one of these. */
  call(call: HostCall): Promise<unknown> | readonly string[] | null
  /** What the node tells of its boards; null where it has no bridge. */
  children(): readonly ChildState[] | null
  /** The message with the directives of its boards, as it is retained. Throws what is wrong with it. */
  directives(message: Uint8Array): void
  /** A word of the gateway to one of them. Throws what is wrong with it. */
  word(message: Uint8Array): void
  /** The envelopes of root metadata, by rising version. */
  roots(envelopes: readonly Uint8Array[]): void
  /** A commit as it is retained for an app. */
  committed(app: string, envelope: Uint8Array): void
  /** Contents that this node keeps for them. */
  needed(): readonly Content[]
  /** The link to the gateway is back. */
  online(): void
  close(): Promise<void>
}

const none: Boards = {
  call: () => null,
  children: () => null,
  directives: () => undefined,
  word: () => undefined,
  roots: () => undefined,
  committed: () => undefined,
  needed: () => [],
  online: () => undefined,
  close: async () => undefined,
}

/** The boards at this node's serial ports, as the bridge at `socket` sees them; none where it is undefined. */
export function openBoards(socket: string | undefined, clock: Clock, log: Log, ports: BoardPorts): Boards {
  if (socket === undefined) return none
  ports.files.ensureFolder('boards')
  const seen = new Map<string, Board>()
  /** What came for boards that haven't been seen yet. */
  let told: readonly { readonly node: string; readonly envelope: Uint8Array }[] = []
  let roots: readonly RootVersion[] = []
  const commits = new Map<string, Uint8Array>()

  const tell = (board: Board) => {
    const envelope = told.find(({ node }) => node === board.identify.board)?.envelope
    if (envelope !== undefined) board.keeper.tell(envelope)
    board.keeper.roots(roots)
    for (const [app, commit] of commits) board.keeper.commit(app, commit)
  }
  const follow = () => {
    const apps = [...seen.values()].flatMap(({ keeper }) => keeper.directive?.sections.map(({ app }) => app) ?? [])
    ports.follow([...new Set(apps)])
  }
  const appeared = (message: Extract<FromBridge, { kind: 'appeared' }>) => {
    const { identify } = message
    const known = seen.get(identify.board)
    // More than a state message has room for are not a node's.
    if (known === undefined && seen.size >= maxChildren) return
    if (known !== undefined) known.appeared(message)
    else {
      const board = new Board(message, ports, requests, clock, log)
      seen.set(identify.board, board)
      tell(board)
      follow()
    }
    ports.changed()
  }
  const client = connectBridge(socket, clock, {
    heard(message) {
      note(log, message)
      calls.heard(message)
      requests.heard(message)
      if (message.kind === 'appeared') return appeared(message)
      if (message.kind === 'left') seen.get(message.board)?.left()
      else if (message.kind === 'impostor') seen.get(message.board)?.impostor(message)
      else if (message.kind === 'said') seen.get(message.board)?.said(message.message)
      else return
      if (message.kind === 'impostor') return
      if (message.kind === 'left' || message.message.kind === 'state' || message.message.kind === 'firmware')
        ports.changed()
    },
    lost(why) {
      log.error('The bridge to the serial ports has gone: its boards are away until it is started again', { why })
      requests.lose()
      for (const board of seen.values()) board.left()
      ports.changed()
      calls.lose()
    },
  })
  const calls = new BoardCalls((message) => client.say(message), clock)
  const requests = new Requests((message) => client.say(message))
  return {
    call(call) {
      const board = call.instance.home === null ? undefined : seen.get(call.instance.home)
      return board === undefined ? null : served(board, call, calls)
    },
    children: () => [...seen.values()].map((board) => board.child()),
    directives(message) {
      told = childrenMessage.decode(message).children
      for (const board of seen.values()) tell(board)
      follow()
      ports.changed()
    },
    word(message) {
      const { node, word } = toChild.decode(message)
      seen.get(node)?.word(word)
    },
    roots(envelopes) {
      roots = envelopes.map((envelope) => {
        const { unverifiedPayload } = openEnvelope(envelope, 'root', maxRootBytes)
        return { version: rootMetadata.decode(unverifiedPayload).version, envelope }
      })
      for (const board of seen.values()) board.keeper.roots(roots)
    },
    committed(app, envelope) {
      commits.set(app, Uint8Array.from(envelope))
      for (const board of seen.values()) board.keeper.commit(app, envelope)
    },
    needed: () => [...seen.values()].flatMap(({ keeper }) => keeper.needed()),
    online() {
      for (const board of seen.values()) board.online()
    },
    async close() {
      await Promise.all([...seen.values()].map((board) => board.close()))
      client.stop()
    },
  }
}

function served(
  { identify, connected }: Board,
  call: HostCall,
  calls: BoardCalls,
): Promise<unknown> | readonly string[] | null {
  const { interface: name, func, args, leftMs } = call
  if (name !== 'sensor' && name !== 'actuator') return null
  const isSensor = name === 'sensor'
  if (func === 'names') return [...(isSensor ? identify.sensors : identify.actuators)].sort()
  if (!connected) return Promise.resolve(err('unavailable'))
  const made = calls.make(identify.board, String(args[0]), isSensor ? null : Number(args[1]), leftMs)
  return made.then(({ outcome, value }) => {
    if (outcome === 'ok') return isSensor ? (value === null ? err('unavailable') : ok(value)) : ok()
    // A sensor's range is nobody's.
    return err(isSensor && outcome === 'out-of-range' ? 'unavailable' : outcome)
  })
}

/** What people want to find in the log. */
function note(log: Log, message: FromBridge): void {
  if (message.kind === 'appeared') {
    const { board, hardware, firmware } = message.identify
    log.info(`Board ${board} is connected`, { path: message.path, hardware, firmware })
  } else if (message.kind === 'left') log.warn(`Board ${message.board} has left`, { why: message.why })
  else if (message.kind === 'impostor') {
    const how = message.sameKey ? 'with the same key' : 'with another key'
    log.warn(`Another board claims to be ${message.board}, ${how}`, { path: message.path })
  } else if (message.kind === 'port' && message.status === 'failed') {
    log.warn(`The serial port ${message.path} can't be used`, { why: message.message })
  } else if (message.kind === 'said' && message.message.kind === 'refused') {
    const { of, code } = message.message
    log.warn(`Board ${message.board} refuses: ${code}`, { of })
  }
}
