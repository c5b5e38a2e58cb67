import { Action } from '../body-actions.ts'
import { ByteAction } from '../byte-actions.ts'
import type { ByteEdits } from '../byte-edits.ts'
import { CodeReader } from '../code-reader.ts'
import { Instruction } from '../instruction.ts'

/** Actions, each followed by how far a move goes, or the byte that is put. */
export function flattened({ actions, moves }: ByteEdits, content: Uint8Array): number[] {
  const all: number[] = []
  let at = 0
  let moved = 0
  for (const action of actions) {
    all.push(action)
    if (action === ByteAction.move) all.push(moves[moved++]!)
    else if (action === ByteAction.copy) at++
    else all.push(content[at++]!)
  }
  return all
}

/** Edits of a body by bytes, from those by instructions. */
export function editsOf(
  was: { bytes: Uint8Array; starts: number[] },
  content: Uint8Array,
  script: Uint8Array,
): ByteEdits {
  const starts = instructionStarts(content)
  const actions: number[] = []
  const moves: number[] = []
  let skip = 0
  const move = () => {
    if (skip === 0) return
    actions.push(ByteAction.move)
    moves.push(skip)
    skip = 0
  }
  const pair = (a: number, endA: number, b: number, endB: number) => {
    move()
    for (let i = 0; i < endB - b; i++) {
      if (a + i >= endA) actions.push(ByteAction.insert)
      else actions.push(was.bytes[a + i] === content[b + i] ? ByteAction.copy : ByteAction.replace)
    }
    skip += Math.max(0, endA - a - (endB - b))
  }
  const from = (all: readonly number[], i: number, end: number) => all[i] ?? end
  pair(0, from(was.starts, 0, was.bytes.length), 0, from(starts, 0, content.length))
  let a = 0
  let b = 0
  for (const action of script) {
    const [startA, endA] = [from(was.starts, a, was.bytes.length), from(was.starts, a + 1, was.bytes.length)]
    const [startB, endB] = [from(starts, b, content.length), from(starts, b + 1, content.length)]
    if (action === Action.delete) skip += endA - startA
    else if (action === Action.insert) for (let i = startB; i < endB; i++) actions.push(ByteAction.insert)
    else pair(startA, endA, startB, endB)
    if (action !== Action.insert) a++
    if (action !== Action.delete) b++
  }
  return { actions: Uint8Array.from(actions), moves }
}

function instructionStarts(content: Uint8Array): number[] {
  const reader = new CodeReader(content)
  const instruction = new Instruction()
  for (let left = reader.uleb(); left > 0; left--) {
    reader.uleb()
    reader.sleb64()
  }
  const starts: number[] = []
  while (!reader.done) {
    starts.push(reader.at)
    reader.instruction(instruction)
  }
  return starts
}
