import type { ToBoard } from '@hypha/core/wire/board/messages.ts'
import type { Channel } from '../frames/frame.ts'

/** The channel that a bridge sends each kind on. [S 8.3] */
export const channelOf: Readonly<Record<ToBoard['kind'], Channel>> = {
  time: 'control',
  offer: 'update',
  piece: 'update',
  abandon: 'update',
  activation: 'control',
  ack: 'telemetry',
  session: 'control',
  input: 'inputs',
  call: 'inputs',
}
