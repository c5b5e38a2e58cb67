import { expect, test } from 'vitest'
import { Waits } from '../../../agent/calls/waits.ts'

test('Who would wait for a cell that waits for it is told the circle; who waits for one that only works is not.', () => {
  const waits = new Waits()
  const circleOf = (callee: string, path: readonly string[]) => {
    const followed = waits.follow(callee, path)
    return followed.kind === 'circle' ? followed.chain : followed.kind
  }
  // The callee is in the path of those that wait for the caller.
  expect(circleOf('edge/app', ['edge/app', 'pi-7/app'])).toEqual(['edge/app'])
  expect(circleOf('edge/app', ['pi-7/app'])).toBe('free')
  // The callee's cell has called the caller's, in a turn of its own.
  const probed: string[][] = []
  waits.begin('edge/app', ['pi-7/app/sampler', 'pi-7/app'], (path) => void probed.push([...path]))
  expect(circleOf('edge/app', ['pi-7/app'])).toEqual(['edge/app', 'pi-7/app'])
  // It waits for another node, which is to be asked.
  const followed = waits.follow('edge/app', ['pi-8/app'])
  expect(followed).toMatchObject({ kind: 'away', chain: ['edge/app'] })
  if (followed.kind === 'away') followed.probe(['pi-8/app', ...followed.chain])
  expect(probed).toEqual([['pi-8/app', 'edge/app']])
  // Over another cell of this node.
  waits.begin('edge/app/x', ['edge/app'], null)
  expect(circleOf('edge/app/x', ['pi-7/app'])).toEqual(['edge/app/x', 'edge/app', 'pi-7/app'])
  expect(waits.follow('edge/app/x', ['pi-8/app'])).toMatchObject({ kind: 'away', chain: ['edge/app/x', 'edge/app'] })
  waits.end('edge/app')
  expect(circleOf('edge/app/x', ['pi-7/app'])).toBe('free')
  // Cells that wait for one another already, without the caller.
  waits.begin('edge/app', ['edge/app/x'], null)
  expect(circleOf('edge/app/x', ['pi-7/app'])).toBe('free')
})
