import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { checkpointPiece, maxPieceBytes } from '@hypha/core/wire/messages/checkpoint.ts'
import { expect, test } from 'vitest'
import { Assembly } from '../../../gateway/handover/assemble.ts'

const { sha256 } = nodeCrypto

const wholeOf = (size: number, seed = 1) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed) & 0xff)

function piecesOf(whole: Uint8Array): Uint8Array[] {
  const count = Math.ceil(whole.length / maxPieceBytes)
  return Array.from({ length: count }, (_, index) => {
    const offset = index * maxPieceBytes
    const bytes = whole.subarray(offset, offset + maxPieceBytes)
    return checkpointPiece.encode({ digest: sha256(whole), size: whole.length, offset, bytes })
  })
}

test('Pieces of several nodes become what was sent, each with its last one.', () => {
  const assembly = new Assembly(sha256, () => 0)
  const [one, other] = [wholeOf(150_000), wholeOf(130_000, 2)]
  const [first, second] = [piecesOf(one), piecesOf(other)]
  for (const index of [0, 1]) {
    expect(assembly.add('pi-1', first[index]!)).toBeNull()
    expect(assembly.add('pi-2', second[index]!)).toBeNull()
  }
  expect(assembly.add('pi-1', first[2]!)?.whole).toEqual(one)
  expect(assembly.add('pi-2', second[2]!)).toEqual({ digest: sha256(other), whole: other })
})

test('What lost a piece, or came from another beginning, is nothing until it is begun anew.', () => {
  const assembly = new Assembly(sha256, () => 0)
  const whole = wholeOf(150_000)
  const [first, second, third] = piecesOf(whole)
  expect([first!, third!, second!].map((piece) => assembly.add('pi-1', piece))).toEqual([null, null, null])
  expect([first!, second!, third!].map((piece) => assembly.add('pi-1', piece))[2]?.whole).toEqual(whole)
})

test('Bytes that are not those of the digest are dropped.', () => {
  const assembly = new Assembly(sha256, () => 0)
  const bytes = wholeOf(10)
  expect(
    assembly.add('pi-1', checkpointPiece.encode({ digest: new Uint8Array(32), size: 10, offset: 0, bytes })),
  ).toBeNull()
})

test('No more is begun than there is room for, and who stops in the middle makes room after a while.', () => {
  let now = 0
  const assembly = new Assembly(sha256, () => now, { maxBytes: 160_000, idleMs: 1_000 })
  const whole = wholeOf(150_000)
  const pieces = piecesOf(whole)
  assembly.add('pi-1', pieces[0]!)
  expect(pieces.map((piece) => assembly.add('pi-2', piece))).toEqual([null, null, null])
  now = 2_000
  expect(pieces.map((piece) => assembly.add('pi-2', piece))[2]?.whole).toEqual(whole)
})

test('A node that sends without end is passed over for a while.', () => {
  let now = 0
  const assembly = new Assembly(sha256, () => now, { bytesPerSecond: 100, burstBytes: 250 })
  const [piece] = piecesOf(wholeOf(100))
  expect([1, 2, 3].map(() => assembly.add('pi-1', piece!) === null)).toEqual([false, false, true])
  now = 1_000
  expect(assembly.add('pi-1', piece!)).not.toBeNull()
})
