import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { openStore } from '../../../gateway/store/store.ts'
import { addNode, addRelease, t0, temporaryPath } from '../store/support.ts'

it('A gateway that is killed at any moment has everything that it acknowledged, once', async () => {
  const path = temporaryPath()
  const first = openStore(path, { fleet: 'greens' })
  addNode(first, 'pi-7')
  addRelease(first, 'greenhouse')
  first.close()
  for (let kill = 1; kill <= 4; kill++) {
    const child = fork(new URL('./child-gateway.ts', import.meta.url), [path], { execArgv: [] })
    let acknowledged = 0
    let answers = 0
    child.on('message', (upTo: number) => {
      acknowledged = upTo
      if (++answers === kill * 3) child.kill('SIGKILL')
    })
    await once(child, 'exit')
    const store = openStore(path, { fleet: 'greens' })
    const values = store.series.history({}, { from: 0, to: t0 * 2, limit: 100_000 }).map(({ value }) => value)
    store.close()
    expect(values.length).toBeGreaterThanOrEqual(acknowledged)
    expect(values).toEqual(Array.from({ length: values.length }, (_, index) => index + 1))
  }
})
