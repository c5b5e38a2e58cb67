import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { Bridge, type BridgeEvent } from './boards/bridge.ts'
import { usualPorts, watchPorts } from './link/ports.ts'
import { openSerialPort } from './link/serial-port.ts'

export interface BridgeOptions {
  /** Paths of serial ports; in the last part, `*` stands for any characters. Each that is there now or comes later is spoken to. */
  readonly ports?: readonly string[]
  readonly baudRate?: number
  readonly on: (event: BridgeEvent) => void
}

export const defaultBaudRate = 115_200

/** Speaks to the boards on this machine's serial ports, until it is closed. */
export function openBridge({ ports = usualPorts, baudRate = defaultBaudRate, on }: BridgeOptions): Bridge {
  const watch = (changed: (paths: readonly string[]) => void) => watchPorts(ports, systemClock, changed)
  return new Bridge({ clock: systemClock, crypto: nodeCrypto, open: openSerialPort, watch }, baudRate, on)
}

export type { FromBoard, ToBoard } from '@hypha/core/wire/board/messages.ts'
export type { Board } from './boards/board.ts'
export type { Bridge, BridgeEvent, PortStatus } from './boards/bridge.ts'
export type { ToTransfer, Transfer, TransferOutcome } from './boards/transfers.ts'
