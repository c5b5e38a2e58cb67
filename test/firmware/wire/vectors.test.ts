import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Asked, buildChecked } from '../../support/firmware.ts'

// The firmware's wire and the vectors that the bridge's is held to as well.

interface Fields {
  readonly kind: string
  readonly [field: string]: unknown
}
interface Vectors {
  readonly maxPayload: number
  readonly crc32: readonly { readonly bytes: string; readonly crc: string }[]
  readonly cobs: readonly { readonly name: string; readonly plain: string; readonly coded: string }[]
  readonly cobsDecodeOnly: Vectors['cobs']
  readonly frames: readonly {
    readonly name: string
    readonly frame: Fields
    readonly unstuffed: string
    readonly line: string
  }[]
  readonly framesDecodeOnly: readonly { readonly name: string; readonly frame: Fields; readonly line: string }[]
  readonly bad: readonly { readonly name: string; readonly line: string; readonly why: string }[]
}

const file = resolve(import.meta.dirname, '../../vectors/serial-frames.json')
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors

const board = new Asked(buildChecked('wire-check'))
afterAll(() => board.end())
const fresh = () => board.ask('new', '1', `${vectors.maxPayload}`, '8', '8', '64', '4', '0')

/** Kind, channel, number and payload, as they stand in the unstuffed bytes. */
function rawOf(unstuffed: string): string {
  const byte = (at: number) => Number.parseInt(unstuffed.slice(2 * at, 2 * at + 2), 16)
  return `${byte(0) & 15} ${byte(0) >> 4} ${byte(1) + 256 * byte(2)} ${unstuffed.slice(10, -8)}`
}

describe('the firmware', () => {
  it.each(vectors.crc32)('sums $bytes', async ({ bytes, crc }) => {
    expect(await board.ask('crc', bytes || '-')).toBe(crc)
  })

  it.each([...vectors.cobs, ...vectors.cobsDecodeOnly])('takes the stuffing off $name', async ({ plain, coded }) => {
    await board.ask('new', '1', '4096', '4', '8', '64', '4', '0')
    expect(await board.ask('uncobs', coded)).toBe(plain)
  })

  // Fewer bytes than a frame has are never stuffed.
  it.each(vectors.cobs.filter(({ plain }) => plain.length >= 18))('stuffs $name', async ({ plain, coded }) => {
    await fresh()
    expect(await board.ask('cobs', plain)).toBe(`00${coded}00`)
  })

  it.each(vectors.frames)('writes and reads $name', async ({ unstuffed, line }) => {
    await fresh()
    const [kind, channel, number, payload] = rawOf(unstuffed).split(' ')
    expect(await board.ask('send', kind!, channel!, number!, payload || '-')).toBe(line)
    expect(await board.ask('frame', line)).toBe(`${rawOf(unstuffed)};`)
  })

  it.each(vectors.framesDecodeOnly)('reads $name', async ({ frame, line }) => {
    await fresh()
    const kinds = ['', 'hello', 'data', 'ack', 'reset']
    expect(await board.ask('frame', line)).toMatch(new RegExp(`^${kinds.indexOf(frame.kind)} `))
  })

  it.each(vectors.bad)('drops $name as $why', async ({ line, why }) => {
    await fresh()
    expect(await board.ask('frame', line)).toMatch(new RegExp(`^bad ${why};`))
  })
})
