import { malformed } from '../limits.ts'
import { moduleHeader } from '../module.ts'
import type { OldStream } from './old-stream.ts'
import { type McuState, Slot } from './state.ts'

/** A section of the old module: its id, and where its content is. */
interface OldSection {
  readonly id: number
  readonly start: number
  readonly end: number
}

/** The old section at an offset; null behind the last. */
export function oldSectionAt({ slots }: McuState, old: OldStream, oldSize: number, offset: number): OldSection | null {
  if (offset < 0 || offset >= oldSize) return null
  const id = old.byteAt(offset)
  slots[Slot.at] = offset + 1
  const size = old.uleb()
  const start = slots[Slot.at]!
  return size > oldSize - start ? null : { id, start, end: start + size }
}

export function findOldSection(state: McuState, old: OldStream, oldSize: number, id: number): OldSection | null {
  let each = oldSectionAt(state, old, oldSize, moduleHeader.length)
  while (each !== null && each.id !== id) each = oldSectionAt(state, old, oldSize, each.end)
  return each
}

/** Bodies can only be walked forward: one before is looked for from the first on. */
export function seekOldBody({ slots }: McuState, old: OldStream, index: number): void {
  if (index < 0 || index >= slots[Slot.oldBodies]!) throw malformed('it refers to what the old module lacks')
  if (index < slots[Slot.nextBodyIndex]!) {
    slots[Slot.nextBodyIndex] = 0
    slots[Slot.nextBody] = slots[Slot.firstBody]!
  }
  for (; slots[Slot.nextBodyIndex]! < index; slots[Slot.nextBodyIndex]!++) {
    if (--slots[Slot.walkLeft]! < 0) throw malformed('it walks the old module too often')
    slots[Slot.at] = slots[Slot.nextBody]!
    const size = old.uleb()
    slots[Slot.nextBody] = Math.min(slots[Slot.codeEnd]!, slots[Slot.at]! + size)
  }
}
