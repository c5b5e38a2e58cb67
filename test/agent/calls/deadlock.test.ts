import { expect, test } from 'vitest'
import { Waits } from '../../../agent/calls/waits.ts'

test('Who would wait for a cell that waits for it is told the circle; who waits for one that only works is not.', () => {
  const waits = new Waits()
  // The callee is in the path of those that wait for the caller.
  expect(waits.circle('edge/app', ['edge/app', 'pi-7/app'])).toEqual(['edge/app'])
  expect(waits.circle('edge/app', ['pi-7/app'])).toBe(null)
  // The callee's cell has called the caller's, in a turn of its own.
  waits.begin('edge/app', ['pi-7/app/sampler', 'pi-7/app'])
  expect(waits.circle('edge/app', ['pi-7/app'])).toEqual(['edge/app', 'pi-7/app'])
  expect(waits.circle('edge/app', ['pi-8/app'])).toBe(null)
  // Over another cell of this node.
  waits.begin('edge/app/x', ['edge/app'])
  expect(waits.circle('edge/app/x', ['pi-7/app'])).toEqual(['edge/app/x', 'edge/app', 'pi-7/app'])
  waits.end('edge/app')
  expect(waits.circle('edge/app/x', ['pi-7/app'])).toBe(null)
  // Cells that wait for one another already, without the caller.
  waits.begin('edge/app', ['edge/app/x'])
  expect(waits.circle('edge/app/x', ['pi-7/app'])).toBe(null)
})
