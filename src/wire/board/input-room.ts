import { type ToBoard, toBoard } from './messages.ts'

type Input = Omit<Extract<ToBoard, { kind: 'input' }>, 'kind'>

/**
 * How many bytes of payload an input may have so that it is no longer than the longest message that a board takes; none where its names alone are too long. Bytes of inputs aren't sent in parts: a
 * board has room for one message at a time. [S 8.14]
 */
export function inputRoom(of: Omit<Input, 'payload'>, messageBytes: number): number {
  const { source, number, app, module, home, topic } = of
  const empty = { kind: 'input', source, number, app, module, home, topic, payload: new Uint8Array() } as const
  const left = messageBytes - toBoard.encode(empty).length
  // The length of a byte string takes one byte up to 23, one more up to 255, then another.
  const head = left <= 23 ? 0 : left <= 256 ? 1 : 2
  return Math.max(0, left - head)
}

/** Why a board isn't given an input, and what to do, in a sentence or two. */
export function tooLarge(board: string, topic: string, bytes: number, room: number, messageBytes: number): string {
  const least = `${board} takes messages of at most ${messageBytes} bytes`
  const most = room > 0 ? `which leaves ${room} for one on this topic` : 'which leaves none on this topic'
  return `An input of ${bytes} bytes on ${topic} was given up: ${least}, ${most}. Publish less at a time, or let the module run on another node.`
}
