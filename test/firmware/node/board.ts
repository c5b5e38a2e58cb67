import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { type FromBoard, fromBoard, type ToBoard, toBoard } from '@hypha/core/wire/board/messages.ts'
import type { Offer } from '@hypha/core/wire/board/offer.ts'
import { pieceOverhead } from '@hypha/core/wire/board/piece.ts'
import type { TypeOf } from '@hypha/core/wire/codec.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { channelOf } from '@hypha/firmware-bridge/boards/channels.ts'
import { bridgeLimits, Session } from '@hypha/firmware-bridge/session/session.ts'
import { burntSource } from '../../../gateway/admin/cli/mcu/burnt.ts'
import { firmwareFolder } from '../../support/firmware.ts'
import { crypto, makeRoot } from '../../support/signed.ts'

type Of<K extends FromBoard['kind']> = Extract<FromBoard, { kind: K }>

const folder = join(firmwareFolder, '../../dist/firmware-test')

/** Runs make for a board with the root metadata of the tests' fleet in it, and the id `mcu-1`. */
function make(target: string, seed: Uint8Array | null, ...variables: readonly string[]): void {
  const text = burntSource({ root: rootMetadata.encode(makeRoot()), invite: null, id: 'mcu-1', seed })
  const source = join(tmpdir(), `hypha-burnt-${toHex(crypto.sha256(toUtf8(text))).slice(0, 16)}.c`)
  // Made once: a newer file would have the program linked anew while other tests run it.
  if (!existsSync(source)) {
    const own = `${source}.${process.pid}`
    writeFileSync(own, text)
    renameSync(own, source)
  }
  const command = ['make', '-s', '-C', firmwareFolder, `OUT=${folder}`, `BURNT=${source}`, ...variables, target]
  execFileSync('flock', [join(tmpdir(), `hypha-firmware-${process.getuid?.()}.lock`), ...command], { stdio: 'pipe' })
}

/** The board that is this machine, with sanitizers. Answers the program's path. */
function buildBoard(): string {
  make('host', null, 'SANITIZE=1')
  return join(folder, 'host-checked/board-host')
}

/** The image of a microcontroller. Answers its path. */
export function buildImage(board: string): string {
  make('board', new Uint8Array(32).fill(9), `BOARD=${board}`)
  return join(folder, board, 'firmware.elf')
}

/** The firmwares of a release for a board, by slot. They have nothing burnt in. */
export function buildSlots(board: string): { a: Uint8Array; b: Uint8Array } {
  if (board === 'host') make('host-slots', null)
  else make('slots', null, `BOARD=${board}`)
  const read = (slot: string) =>
    new Uint8Array(readFileSync(join(folder, board === 'host' ? 'host-plain' : board, `slot-${slot}.bin`)))
  return { a: read('a'), b: read('b') }
}

/** Boards of a test file: each on a flash of its own, which is gone with `cleanUp`. */
export function boards() {
  const program = buildBoard()
  const ends: (() => unknown)[] = []
  return {
    /** A board, and how it is started again on the same flash. */
    newBoard(...args: string[]): { board: Board; again(...more: string[]): Board } {
      const folder = mkdtempSync(join(tmpdir(), 'hypha-board-'))
      ends.push(() => rmSync(folder, { recursive: true }))
      const start = (...more: string[]) => {
        const board = new Board(program, ['--flash', join(folder, 'flash'), ...args, ...more])
        ends.unshift(() => board.kill())
        return board
      }
      return { board: start(), again: start }
    },
    async cleanUp(): Promise<void> {
      for (const end of ends.splice(0)) await end()
    },
  }
}

type BoardReport = TypeOf<typeof report>

/** A board of this machine on its standard input and output, and a bridge's side of the line that remembers what the board said. */
export class Board {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #session: Session
  readonly #heard: FromBoard[] = []
  readonly reports: BoardReport[] = []
  readonly macs: (Uint8Array | null)[] = []
  readonly bodies: Uint8Array[] = []
  readonly #wakes = new Set<() => void>()
  #timer: NodeJS.Timeout
  #transfer = 0
  #stderr = ''
  readonly #started = performance.now()
  /** How the process ended; null while it runs. */
  exit: number | null = null
  readonly ended: Promise<void>

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args)
    const now = () => this.#now()
    let incarnation = 0
    const options = { limits: bridgeLimits, incarnation: () => ++incarnation + Math.floor(Math.random() * 0xffff_0000) }
    this.#session = new Session(options, now(), (event) => {
      if (event.kind === 'payload') {
        this.#hear(fromBoard.decode(event.payload))
        this.#session.taken(event.channel)
      }
      this.#wake()
    })
    const pump = () => {
      for (let frame = this.#session.poll(now()); frame !== null; frame = this.#session.poll(now()))
        this.#child.stdin.write(frame)
    }
    this.#child.stdout.on('data', (bytes: Buffer) => {
      this.#session.feed(bytes, now())
      pump()
    })
    this.#child.stdin.on('error', () => undefined)
    this.#child.stderr.on('data', (text) => {
      this.#stderr += text
    })
    this.#timer = setInterval(pump, 5)
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#stderr += error.message
        this.exit = -1
        clearInterval(this.#timer)
        this.#wake()
        resolve()
      })
      this.#child.on('close', (code) => {
        this.exit = code ?? -1
        clearInterval(this.#timer)
        this.#wake()
        resolve()
      })
    })
  }

  #now(): number {
    return Math.floor(performance.now() - this.#started) + 1
  }

  #hear(message: FromBoard): void {
    this.#heard.push(message)
    if (message.kind !== 'report') return
    this.reports.push(report.decode(message.body))
    this.macs.push(message.mac)
    this.bodies.push(message.body)
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake()
  }

  /** What the board said so far, of one kind. */
  heard<K extends FromBoard['kind']>(kind: K): Of<K>[] {
    return this.#heard.filter((message): message is Of<K> => message.kind === kind)
  }

  /** Waits until `find` finds something in what was heard, or the process has ended (then it throws what that said). */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find()
      if (found !== undefined && found !== false) return found
      if (this.exit !== null) throw new Error(`the board ended with ${this.exit}: ${this.#stderr}`)
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wakes.delete(wake)
          resolve()
        }
        this.#wakes.add(wake)
      })
    }
  }

  get opened(): boolean {
    return this.#session.agreed !== null
  }

  async send(message: ToBoard): Promise<void> {
    const payload = toBoard.encode(message)
    await this.until(() => this.#session.offer(channelOf[message.kind], payload) === 'offered')
  }

  /** Waits for `identify`, and tells the time. */
  async start(nowMs = 1_800_000_000_000): Promise<Of<'identify'>> {
    const identify = await this.until(() => this.heard('identify')[0])
    await this.send({ kind: 'time', nowMs })
    return identify
  }

  /**
   * Offers bytes and sends them as far as the board wants them. Answers `complete`, or the code that the board refuses with; `upTo` ends with so many sent.
   */
  async transfer(
    what: Offer['what'],
    bytes: Uint8Array,
    patch?: { of: Uint8Array; base: Uint8Array | null; encoding?: 'identity' },
    upTo?: number,
  ): Promise<string> {
    const transfer = ++this.#transfer
    const whole = patch?.of ?? bytes
    await this.send({
      kind: 'offer',
      transfer,
      what,
      digest: crypto.sha256(whole),
      size: whole.length,
      encoding: patch?.encoding ?? (patch ? 'mcu-patch' : 'identity'),
      base: patch?.base ? crypto.sha256(patch.base) : null,
      wireSize: bytes.length,
    })
    const held = () => this.heard('held').findLast((each) => each.transfer === transfer)
    const refused = () => this.heard('refused').find((each) => each.of === 'transfer' && each.number === transfer)
    const answer = await this.until(() => refused() ?? held())
    if (answer.kind === 'refused') return answer.code
    if (answer.complete) return 'complete'
    this.lastHeldAt = answer.at
    const end = Math.min(upTo ?? bytes.length, bytes.length)
    const piece = Math.min(400, (this.#session.agreed?.limits.maxPayload ?? 0) - pieceOverhead)
    for (let at = answer.at; at < end && !refused(); at += piece)
      await this.send({ kind: 'piece', transfer, at, bytes: bytes.subarray(at, Math.min(end, at + piece)) })
    if (end < bytes.length) return 'cut'
    const result = await this.until(() => refused() ?? (held()?.complete ? held() : undefined))
    return result.kind === 'refused' ? result.code : 'complete'
  }

  /** Where the board wanted the last transfer to begin. */
  lastHeldAt = 0

  /** The newest state that fits. */
  async state(fits: (state: Of<'state'>) => boolean): Promise<Of<'state'>> {
    return this.until(() => {
      const newest = this.heard('state').at(-1)
      return newest !== undefined && fits(newest) ? newest : undefined
    })
  }

  /** Ends what is open on the line; it opens again by itself. */
  reopen(): void {
    this.#session.end('closing', this.#now())
  }

  /** Bytes on the line beside all frames. */
  noise(bytes: Uint8Array): void {
    this.#child.stdin.write(bytes)
  }

  kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    return this.ended
  }
}

/** Values of a metric in the reports, by their number. */
export function samplesOf(reports: readonly BoardReport[]): Map<string, Map<number, number>> {
  const all = new Map<string, Map<number, number>>()
  for (const each of reports) {
    const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const [series, offset, value] = [view(each.samples.series), view(each.samples.offset), view(each.samples.value)]
    for (let i = 0; i * 8 < value.byteLength; i++) {
      const { metric, epoch } = each.series[series.getUint16(i * 2, true)]!
      const name = `${metric}@${epoch}`
      const values = all.get(name) ?? new Map<number, number>()
      values.set(each.first + offset.getUint16(i * 2, true), value.getFloat64(i * 8, true))
      all.set(name, values)
    }
  }
  return all
}
