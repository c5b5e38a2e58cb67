import type { Log } from '@hypha/core/platform/log.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { FromBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { Identify } from '@hypha/core/wire/board/identify.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { type ChildState, maxChildren } from '@hypha/core/wire/messages/state.ts'
import { err, type HostCall, ok } from '../host/host.ts'
import { BoardCalls } from './board-calls.ts'
import { connectBridge } from './bridge-client.ts'
import { childOf } from './child.ts'

interface Seen {
  readonly identify: Identify
  readonly state: BoardState | null
  readonly connected: boolean
}

export interface Boards {
  /** Serves a sensor or an actuator of a board for an instance here whose home the board is, as the drivers of this node's own would; null where the request isn't one of these. */
  call(call: HostCall): Promise<unknown> | readonly string[] | null
  /** What the node tells of its boards; null where it has no bridge. */
  children(): readonly ChildState[] | null
  close(): void
}

/** The boards at this node's serial ports, as the bridge at `socket` sees them; none where it is undefined. `changed`: what `children` answers has changed. */
export function openBoards(socket: string | undefined, clock: Clock, log: Log, changed: () => void): Boards {
  if (socket === undefined) return { call: () => null, children: () => null, close: () => undefined }
  const seen = new Map<string, Seen>()
  const update = (board: string, part: Partial<Seen>) => {
    const known = seen.get(board)
    if (known === undefined) return
    seen.set(board, { ...known, ...part })
    changed()
  }
  const client = connectBridge(
    socket,
    (message) => {
      note(log, message)
      calls.heard(message)
      if (message.kind === 'appeared') {
        const { board } = message.identify
        // More than a state message has room for are not a node's.
        if (!seen.has(board) && seen.size >= maxChildren) return
        seen.set(board, { state: null, ...seen.get(board), identify: message.identify, connected: true })
        changed()
      } else if (message.kind === 'left') update(message.board, { connected: false })
      else if (message.kind === 'said' && message.message.kind === 'state')
        update(message.board, { state: message.message })
    },
    (why) => {
      log.error('The bridge to the serial ports has gone: its boards are away until the agent starts again', { why })
      for (const board of seen.keys()) update(board, { connected: false })
      calls.lose()
    },
  )
  const calls = new BoardCalls((message) => client.say(message), clock)
  return {
    call(call) {
      const board = call.instance.home === null ? undefined : seen.get(call.instance.home)
      return board === undefined ? null : served(board, call, calls)
    },
    children: () => [...seen.values()].map(({ identify, state, connected }) => childOf(identify, state, connected)),
    close: () => client.stop(),
  }
}

function served(
  { identify, connected }: Seen,
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
    log.warn(`Another board claims to be ${message.board}, with another key`, { path: message.path })
  } else if (message.kind === 'port' && message.status === 'failed') {
    log.warn(`The serial port ${message.path} can't be used`, { why: message.message })
  } else if (message.kind === 'said' && message.message.kind === 'refused') {
    const { of, code } = message.message
    log.warn(`Board ${message.board} refuses: ${code}`, { of })
  }
}
