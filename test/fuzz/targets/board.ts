import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fromHex } from '@hypha/core/bytes/text.ts'
import { fromBridge, toBridge } from '@hypha/core/wire/board/agent-port.ts'
import { fromBoard, toBoard } from '@hypha/core/wire/board/messages.ts'
import { channels } from '@hypha/firmware-bridge/frames/frame.ts'
import { encodeFrame, type Frame, FrameReader } from '@hypha/firmware-bridge/frames/line.ts'
import { resetReasons } from '@hypha/firmware-bridge/frames/reset.ts'
import { Session } from '@hypha/firmware-bridge/session/session.ts'
import { identifyOf } from '../../firmware-bridge/boards/fake-board.ts'
import { insist, type Target } from '../target.ts'
import { codecTarget } from './codec.ts'

const file = resolve(import.meta.dirname, '../../vectors/board-messages.json')
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Record<'toBoard' | 'fromBoard', { bytes: string }[]>
const digest = new Uint8Array(32).fill(7)
const limits = { maxPayload: 64, window: 4, arena: 64 * 6 }

/** A well-formed frame of any four bytes: behind the CRC is where a peer may lie. */
function frameOf([kind = 0, a = 0, b = 0, c = 0]: Uint8Array, knows: number): Frame {
  const channel = channels[a % 4]!
  const versions = { oldest: 1 + (c >> 7), newest: 2 }
  switch (kind % 6) {
    case 0:
      return { kind: 'hello', versions, answer: a > 127, ...limits, own: 1 + (b % 3), peer: c % 2 ? knows : 0 }
    case 1:
      return { kind: 'reset', own: 1 + (b % 3), reason: resetReasons[c % 4]! }
    case 2:
      return { kind: 'ack', channel, next: b % 8, held: c % 32 }
    default:
      return { kind: 'data', channel, number: b % 12, payload: new Uint8Array(c % 64) }
  }
}

/** Drives a session with what a peer says that keeps to frames, and to nothing else. */
const sessionTarget: Target = {
  name: 'serial-session',
  about: 'well-formed frames of a peer that keeps no other rule',
  short: 3_000,
  prepare: () => ({
    seeds: [
      Uint8Array.of(0, 0, 0, 1, 3, 0, 0, 5, 2, 0, 1, 0, 3, 1, 0, 9),
      Uint8Array.of(0, 200, 1, 1, 3, 0, 2, 5, 3, 0, 0, 5, 0, 0, 2, 1, 1, 0, 2, 3),
    ],
    run(input) {
      const counts = { opened: 0, closed: 0, payload: 0, done: 0 }
      let incarnation = 100
      let isOpen = false
      const session: Session = new Session({ limits, incarnation: () => ++incarnation }, 0, ({ kind }) => {
        counts[kind]++
        if (kind === 'opened' || kind === 'closed') {
          insist(isOpen === (kind === 'closed'), 'a line opens and closes in turns')
          isOpen = kind === 'opened'
        } else insist(isOpen, 'what is closed delivers nothing')
      })
      let knows = 0
      const reader = new FrameReader(64)
      for (let at = 0; at + 4 <= input.length; at += 4) {
        session.feed(encodeFrame(frameOf(input.subarray(at, at + 4), knows)), at)
        session.offer(channels[at % 3]!, new Uint8Array(input[at]! % 64))
        if (input[at]! % 2 === 0) session.taken(channels[input[at + 1]! % 4]!)
        for (const frame of reader.push(session.poll(at) ?? new Uint8Array())) {
          insist(frame.kind !== 'bad', 'a session writes frames that can be read')
          if (frame.kind === 'hello') knows = frame.own
        }
        const wake = session.wakeAt(at)
        insist(wake === null || Number.isFinite(wake), 'a session knows when it is to be asked again')
      }
      return `${Math.min(counts.opened, 3)} ${Math.min(counts.closed, 3)} ${Math.min(counts.payload, 9)} ${Math.min(counts.done, 9)}`
    },
  }),
}

export const boardTargets: readonly Target[] = [
  codecTarget(
    toBoard,
    vectors.toBoard.map(({ bytes }) => toBoard.decode(fromHex(bytes))),
  ),
  codecTarget(
    fromBoard,
    vectors.fromBoard.map(({ bytes }) => fromBoard.decode(fromHex(bytes))),
  ),
  codecTarget(toBridge, [
    {
      kind: 'transfer',
      request: 1,
      board: 'mcu-1',
      what: 'content',
      digest,
      size: 9,
      encoding: 'mcu-patch',
      base: digest,
      bytes: Uint8Array.of(1, 2),
    },
    { kind: 'cancel', request: 2, of: 1 },
    { kind: 'tell', request: 3, board: 'mcu-1', message: { kind: 'time', nowMs: 5 } },
    { kind: 'call', request: 4, board: 'mcu-1', name: 'led', value: 0.5 },
    { kind: 'stop', request: 5 },
  ]),
  codecTarget(fromBridge, [
    { kind: 'port', path: '/dev/ttyUSB0', status: 'failed', message: 'no' },
    { kind: 'appeared', path: '/dev/ttyUSB0', identify: identifyOf('mcu-1'), messageBytes: 256 },
    { kind: 'left', board: 'mcu-1', why: 'pulled' },
    { kind: 'impostor', board: 'mcu-1', path: '/dev/ttyUSB1', sameKey: true },
    { kind: 'said', board: 'mcu-1', message: { kind: 'report', body: Uint8Array.of(160), mac: null } },
    { kind: 'progress', request: 1, held: 4_096 },
    { kind: 'done', request: 1, ok: false, code: 'wrong-node', detail: 3 },
    { kind: 'answer', request: 4, answer: { number: 1, outcome: 'ok', value: 21.5 } },
  ]),
  sessionTarget,
]
