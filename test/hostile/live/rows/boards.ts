import { type Board, boards, buildSlots, samplesOf } from '../../../firmware/node/board.ts'
import {
  deliverFirmware,
  type FirmwarePush,
  forBoard,
  type Images,
  makeFirmwarePush,
} from '../../../firmware/node/firmware-story.ts'
import { bad, counter } from '../../../firmware/node/modules.ts'
import { activate, deliver, makePush, type Push, type PushOptions } from '../../../firmware/node/story.ts'
import { crypto, keys, makeDirective, makeRelease, signDirective, signRelease, thief } from '../../../support/signed.ts'
import { wat } from '../../../support/wasm-guest.ts'
import { type Row, words } from '../row.ts'

// The firmware of this machine, attacked by whoever has its serial line: an agent or a bridge that was taken over, or a cable that leads elsewhere.

/** A board of its own for each row, which runs something good. */
export class BoardTarget {
  readonly #boards = boards()
  readonly images: Images = buildSlots('host')
  #now: Board | null = null

  async running(good: Push): Promise<Board> {
    await this.close()
    const { board } = this.#boards.newBoard()
    this.#now = board
    await board.start()
    if ((await deliver(board, good)) !== 'complete') throw new Error('the board takes nothing good')
    if ((await activate(board, good)) !== 'ok') throw new Error('the board runs nothing good')
    return board
  }

  /** What was good still runs, and says something new. */
  async unharmed(): Promise<void> {
    const board = this.#now
    if (board === null) return
    await board.state(({ running: [one] }) => one?.status === 'running')
    const count = () => samplesOf(board.reports).get(`count@${goodNumber}`)?.size ?? 0
    const before = count()
    await board.until(() => count() > before + 2)
  }

  async close(): Promise<void> {
    this.#now = null
    await this.#boards.cleanUp()
  }
}

const goodNumber = 5
const good = async () => makePush(await counter(1), { number: goodNumber, floor: 4 })
const other = () => counter(1_000)

type BoardRow = Omit<Row<BoardTarget>, 'at'>

/** What is brought to the board and started; the first refusal counts. */
const pushed = (
  name: string,
  sent: string,
  code: string,
  make: (core: Uint8Array) => Push | Promise<Push>,
  threats: readonly string[] = [],
): BoardRow => ({
  name: `board/${name}`,
  sent,
  code,
  threats,
  async run(target) {
    const board = await target.running(await good())
    const push = await make(await other())
    const brought = await deliver(board, push)
    if (brought !== 'complete') return brought
    const started = await activate(board, push)
    return started === 'ok' ? null : started
  },
})

const variant = (name: string, sent: string, code: string, options: PushOptions, threats: readonly string[] = []) =>
  pushed(name, sent, code, (core) => makePush(core, { number: 6, ...options }), threats)

/** A module that starts and does its harm in a turn: it is taken back, and the report says why. */
const traps = (name: string, sent: string, code: string, body: string): BoardRow => ({
  name: `board/${name}`,
  sent,
  code,
  async run(target) {
    const board = await target.running(await good())
    const push = makePush(await bad(body), { number: 6 })
    if ((await deliver(board, push)) !== 'complete' || (await activate(board, push, false)) !== 'ok')
      throw new Error('it was not even started')
    await board.state(({ slots }) => slots.some(({ status }) => status === 'failed'))
    const codes = () =>
      board.reports.flatMap(({ entries }) =>
        entries.flatMap(({ entry }) => (entry.kind === 'event' && entry.code !== 'board-reverted' ? [entry.code] : [])),
      )
    return await board.until(() => codes()[0])
  },
})

const firmware = (
  name: string,
  sent: string,
  code: string,
  make: (images: Images, beside: Push) => FirmwarePush,
  threats: readonly string[] = [],
): BoardRow => ({
  name: `board/firmware-${name}`,
  sent,
  code,
  threats,
  async run(target) {
    const beside = await good()
    const board = await target.running(beside)
    const seen = makeFirmwarePush(target.images, { number: 5, floor: 4, beside })
    if ((await deliverFirmware(board, seen)) !== 'complete') throw new Error('the board takes no firmware')
    const brought = await deliverFirmware(board, make(target.images, beside))
    return brought === 'complete' ? null : brought
  },
})

/** Signed, but by somebody else: the directive names this very envelope. */
function forged(core: Uint8Array): Push {
  const push = makePush(core, { number: 6 })
  const envelope = signRelease(makeRelease({ number: 6 }), [thief])
  const section = { ...push.section, envelope: crypto.sha256(envelope) }
  const directive = signDirective(makeDirective({ node: 'mcu-1', version: 6, sections: [section] }))
  return { ...push, envelope, directive }
}

const rows: BoardRow[] = [
  variant('another', 'a directive for another board', 'wrong-node', { node: 'mcu-2' }, ['THREAT.IMG.INCOMPATIBLE']),
  variant('older-directive', 'an older directive', 'directive-rollback', { version: 4 }),
  variant('older-release', 'a release below the floor', 'release-below-floor', { number: 3, epoch: 6 }, [
    'THREAT.IMG.EXPIRED',
  ]),
  pushed('forged', 'a release that a stranger has signed', 'threshold-not-met', forged),
  pushed('release-key', 'a directive that the release key has signed', 'threshold-not-met', (core) => {
    const push = makePush(core, { number: 6 })
    const directive = makeDirective({ node: 'mcu-1', version: 6, sections: [push.section] })
    return { ...push, directive: signDirective(directive, keys.release) }
  }),
  pushed('truncated', 'a directive that was cut off', 'bytes-truncated', (core) => {
    const push = makePush(core, { number: 6 })
    return { ...push, directive: push.directive.subarray(0, 200) }
  }),
  {
    name: 'board/truncated-module',
    sent: 'a module that was cut off, under the digest of the whole',
    code: 'digest-mismatch',
    async run(target) {
      const board = await target.running(await good())
      const push = makePush(await other(), { number: 6 })
      await board.transfer('directive', push.directive)
      await board.transfer('release', push.envelope)
      const cut = push.core.map((byte, i) => (i < push.core.length - 20 ? byte : 0xee))
      const answer = await board.transfer('content', cut, { of: push.core, base: null, encoding: 'identity' })
      return answer === 'complete' ? null : answer
    },
  },
  pushed('not-wasm', 'bytes that are no module, signed as one', 'wasm-malformed', () =>
    makePush(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 99), { number: 6 }),
  ),
  pushed('import', "a module whose import doesn't exist", 'import-not-linked', async () => {
    const missing = '(import "hypha:host/sql@0.1.0" "query" (func $gone))'
    return makePush(await bad('(call $gone)', 3, missing), { number: 6 })
  }),
  pushed('memory', 'a module that needs more memory than there is', 'wasm-memory', async () =>
    makePush(await wat('(module (memory (export "memory") 9))'), { number: 6 }),
  ),
  traps('endless-loop', 'a module that never ends its turn', 'turn-deadline', '(loop $l (br $l))'),
  traps('recursion', 'a module that calls itself without end', 'turn-trapped', '(drop (call $deep (i32.const 0)))'),
  traps('out-of-bounds', 'a module that reads beyond its memory', 'turn-trapped', '(drop (i32.load (i32.const 1021)))'),
  {
    name: 'board/long-frame',
    sent: 'a frame longer than announced, then noise',
    code: words.passedOver,
    async run(target) {
      const board = await target.running(await good())
      board.noise(Uint8Array.from({ length: 9_000 }, (_, i) => (i * 31) % 255 || 1))
      board.noise(Uint8Array.of(0, 0, 5, 1, 2, 0))
      await board.send({ kind: 'call', number: 1, what: 'read', name: 'nothing', value: null })
      const answer = await board.until(() => board.heard('answer')[0])
      return answer.outcome === 'unknown' ? words.passedOver : null
    },
  },
  firmware(
    'of-another',
    'a firmware for another kind of board',
    'firmware-board',
    (images, beside) => makeFirmwarePush(images, { number: 6, arch: 'mps2_an386', beside }),
    ['THREAT.IMG.INCOMPATIBLE'],
  ),
  firmware('mislabelled', "another board's firmware, signed as this one's", 'firmware-board', (images, beside) =>
    makeFirmwarePush(forBoard(images, 'mps2_an386'), { number: 6, beside }),
  ),
  firmware('older', 'a firmware below the floor', 'release-below-floor', (images, beside) =>
    makeFirmwarePush(images, { number: 3, epoch: 6, beside }),
  ),
  firmware('forged', 'a firmware that a stranger has signed', 'threshold-not-met', (images, beside) =>
    makeFirmwarePush(images, { number: 6, signers: [thief], beside }),
  ),
  firmware('as-app', 'files in a release of somebody’s app', 'metadata-invalid', (images, beside) =>
    makeFirmwarePush(images, { number: 6, release: { app: 'intruder' }, beside }),
  ),
]

export const boardRows: readonly Row<BoardTarget>[] = rows.map((row) => ({ ...row, at: 'board' }))
