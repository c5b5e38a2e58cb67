// Passes on each number that it is given. The next read says that the emit before it has returned, and that its turn is journaled.

import { read } from 'hypha/host/sensor'
import { emit } from 'hypha/host/telemetry'

export function tick(_nowMs: u64): void {
  const number = read('number')
  if (number.isOk) emit('number', number.value)
}
