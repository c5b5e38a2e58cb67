// What the layer that opens lines and speaks for boards builds on. docs/serial.md says the same in words.
export type { Ack } from './frames/ack.ts'
export type { Data } from './frames/data.ts'
export { type BadFrame, type BadWhy, type Channel, channels, maxMaxPayload, minMaxPayload } from './frames/frame.ts'
export { commonVersion, type Hello, type Limits, maxWindow, spokenVersions, type VersionRange } from './frames/hello.ts'
export { encodeFrame, type Frame, FrameReader } from './frames/line.ts'
export { type Reset, type ResetReason, resetReasons } from './frames/reset.ts'
export { defaultSenderOptions, type SenderOptions } from './frames/sender.ts'
export {
  isDone,
  next,
  nextWake,
  openWindow,
  type WindowEffect,
  type WindowInput,
  type WindowState,
  type WindowStep,
} from './frames/window.ts'
