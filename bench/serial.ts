import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { openSerialPort } from '../firmware-bridge/link/serial-port.ts'
import { Line } from '../firmware-bridge/session/line.ts'
import { bridgeLimits, type SessionEvent } from '../firmware-bridge/session/session.ts'
import type { BenchOptions, BenchResult } from './bench.ts'

// An update's way over the wire: the bridge's session through the real serialport library to the firmware's wire in C, on a pseudo-terminal. The
// terminal is as slow, and as bad, as the C side makes it: it reads and writes no faster than a line of that rate, and flips bits both ways.

const firmware = join(import.meta.dirname, '../firmware-bridge/firmware')
const program = join(import.meta.dirname, '../dist/firmware/host-plain/wire-peer')

/** What the Cortex-M3 board has: 5 places of 256 bytes, and room for 2 of them at a time. */
const board = { payload: 256, places: 5, window: 2, rooms: 2 }
const baudRate = 115_200
/** Start and stop bit included. */
const bitsPerByte = 10

interface Course {
  readonly bytes: number
  /** 0: as fast as may be. */
  readonly baudRate: number
  /** One bit in so many comes wrong; 0: none. */
  readonly flip: number
  readonly seed: number
}

interface Lap {
  readonly ms: number
  readonly isSame: boolean
  readonly droppedByBoard: number
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function lap(folder: string, course: Course): Promise<Lap> {
  const [link, sink] = [join(folder, 'port'), join(folder, 'taken')]
  const settings = { ...board, baud: course.baudRate, flip: course.flip, seed: course.seed, sink }
  const words = Object.entries(settings).flatMap(([name, value]) => [name, `${value}`])
  const peer = spawn(program, [link, ...words], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise((resolve) => peer.stdout.once('data', resolve))
  const update = nodeCrypto.random(course.bytes)
  const ms = await send(link, course.baudRate, update)
  let counters = ''
  peer.stdout.on('data', (text) => {
    counters += text
  })
  const closed = new Promise((resolve) => peer.once('close', resolve))
  peer.stdin.end()
  await closed
  const { dropped } = JSON.parse(counters) as { dropped: number }
  return {
    ms,
    isSame: sha256(readFileSync(sink)) === sha256(update),
    droppedByBoard: dropped,
  }
}

/** From the line's opening until the board has taken the last byte. */
async function send(path: string, rate: number, update: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let [begun, at, left] = [0, 0, Math.ceil(update.length / board.payload)]
  const offerMore = () => {
    while (at < update.length && line.session.offer('update', update.subarray(at, at + board.payload)) === 'offered') {
      at += board.payload
    }
  }
  const hear = (event: SessionEvent) => {
    if (event.kind === 'opened') begun = performance.now()
    else if (event.kind === 'closed') reject(new Error(`The line closed: ${event.why}`))
    else if (event.kind === 'done') left -= event.count
    offerMore()
    if (left === 0) resolve(performance.now() - begun)
  }
  const port = await openSerialPort(path, rate === 0 ? 4_000_000 : rate, {
    onBytes: (bytes) => line.feed(bytes),
    onGone: (why) => reject(new Error(`The port has gone: ${why}`)),
  })
  const options = {
    limits: bridgeLimits,
    incarnation: () => 1 + nodeCrypto.random(3)[0]!,
    baudRate: rate === 0 ? 1_000_000_000 : rate,
  }
  const line: Line = new Line(port, systemClock, options, hear)
  try {
    return await promise
  } finally {
    line.stop()
    await port.close()
  }
}

const share = (bytes: number, { ms }: Lap) => bytes / ((ms / 1_000) * (baudRate / bitsPerByte))

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  execFileSync('make', ['-s', '-C', firmware, 'wire-peer'])
  const folder = mkdtempSync(join(tmpdir(), 'hypha-serial-'))
  const bytes = quick ? 128 * 1024 : 512 * 1024
  const unpacedBytes = quick ? 4_000_000 : 16_000_000
  try {
    const clean = await lap(folder, { bytes, baudRate, flip: 0, seed: 1 })
    const noisy = await lap(folder, { bytes, baudRate, flip: 100_000, seed: 2 })
    // Ten times as bad as that, for what must hold however bad the line is.
    const worse = await lap(folder, { bytes: bytes / 4, baudRate, flip: 10_000, seed: 3 })
    const unpaced = await lap(folder, { bytes: unpacedBytes, baudRate: 0, flip: 0, seed: 4 })
    return {
      bench: 'serial',
      sizes: {
        update_bytes: bytes,
        unpaced_bytes: unpacedBytes,
        baud: baudRate,
        payload_bytes: board.payload,
        places: board.places,
        window: board.window,
        rooms: board.rooms,
      },
      figures: {
        line_rate_share: share(bytes, clean),
        line_rate_share_noisy: share(bytes, noisy),
        line_rate_share_very_noisy: share(bytes / 4, worse),
        unpaced_kb_per_s: unpacedBytes / unpaced.ms,
        corrupted: [clean, noisy, worse, unpaced].filter(({ isSame }) => !isSame).length,
        frames_spoilt: noisy.droppedByBoard + worse.droppedByBoard,
      },
      peers: { 'MCUboot (its documents)': '0.27 of the line rate' },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
