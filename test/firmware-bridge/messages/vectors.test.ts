import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { fromBoard, toBoard } from '@hypha/core/wire/board/messages.ts'
import { describe, expect, it } from 'vitest'
import { channelOf } from '../../../firmware-bridge/boards/channels.ts'

interface Vector {
  readonly name: string
  readonly value: unknown
  readonly bytes: string
}

const file = resolve(import.meta.dirname, '../../vectors/board-messages.json')
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Record<'toBoard' | 'fromBoard', Vector[]> & {
  readonly bad: { readonly name: string; readonly to: 'board' | 'bridge'; readonly bytes: string }[]
}

/** JSON has no bytes: there they are `{hex}`. */
function revived(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if ('hex' in value) return fromHex(value.hex as string)
  if (Array.isArray(value)) return value.map(revived)
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, revived(entry)]))
}

describe.each([
  ['to the board', vectors.toBoard, toBoard],
  ['from the board', vectors.fromBoard, fromBoard],
] as const)('a message %s', (_, list, codec) => {
  it.each(list)('is the bytes that stand in the vectors, both ways: $name', ({ value, bytes }) => {
    expect(toHex(codec.encode(revived(value) as never))).toBe(bytes)
    expect(codec.decode(fromHex(bytes))).toEqual(revived(value))
  })
})

it('has a vector for each kind', () => {
  const kinds = vectors.toBoard.map(({ value }) => (value as { kind: string }).kind)
  expect(new Set(kinds)).toEqual(new Set(Object.keys(channelOf)))
  expect(new Set(vectors.fromBoard.map(({ value }) => (value as { kind: string }).kind)).size).toBe(8)
})

it('to the board has no field with a field in it', () => {
  for (const { value } of vectors.toBoard) {
    for (const field of Object.values(revived(value) as object)) {
      expect(field === null || typeof field !== 'object' || field instanceof Uint8Array).toBe(true)
    }
  }
})

it.each(vectors.bad)('is refused: $name', ({ to, bytes }) => {
  expect(() => (to === 'board' ? toBoard : fromBoard).decode(fromHex(bytes))).toThrow()
})
