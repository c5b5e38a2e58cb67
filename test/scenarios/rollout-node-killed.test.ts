import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { Fleet } from '../support/fleet.ts'
import {
  addBehindProxy,
  counting,
  inState,
  killAndStart,
  nodeAt,
  receiptsOf,
  show,
  ticking,
} from './rollout-support.ts'
import { ask, type ValueLine, writeApp } from './support.ts'

// A node whose process is killed in one phase of a rollout after the other: each time it ends on the new release with its state, and signs that it flipped.

let fleet: Fleet
const proxies = new Map<string, CutProxy>()
const both = ['pi-1', 'pi-2']

const push = (version: number, of: Parameters<typeof counting>[1] = {}, manifest = ticking) =>
  fleet.json<{ epoch: number }>([
    'push',
    '--snap',
    '--no-wait',
    writeApp(fleet, 'app', manifest, { main: counting(version, of) }),
  ])

/** Both run a version, the rollout says that it is done, and who has flipped has signed. */
async function allOn(version: number, epoch: number, flipped: readonly string[] = both) {
  await inState(fleet, 'app', version, 'done')
  await show(fleet, 'app', version, both)
  await fleet.reached('app', 'confirmed')
  return await receiptsOf(fleet, 'app', epoch, flipped)
}

/** Held up by nobody else meanwhile: the wave waits for a node that is there and says nothing. */
async function whileOtherSleeps<T>(run: () => Promise<T>): Promise<T> {
  const { child } = fleet.agents.get('pi-2')!
  child.kill('SIGSTOP')
  try {
    return await run()
  } finally {
    child.kill('SIGCONT')
  }
}

beforeAll(async () => {
  fleet = await Fleet.start()
  for (const node of both) proxies.set(node, await addBehindProxy(fleet, node))
  await fleet.hypha(['push', '--snap', writeApp(fleet, 'app', ticking, { main: counting(1) })])
})
afterAll(async () => {
  for (const proxy of proxies.values()) proxy.close()
  await fleet.stop()
})

test('Killed while it receives, it goes on with what it had', async () => {
  const proxy = proxies.get('pi-1')!
  const noise = Array.from({ length: 60_000 }, () => Math.floor(Math.random() * 36).toString(36)).join('')
  proxy.bytesPerS = 5_000
  const { epoch } = await push(2, { tick: `if (nowMs == 0) emit("${noise}", 0);` })
  await nodeAt(fleet, 'app', 'pi-1', 'receiving')
  await fleet.agents.get('pi-1')!.end('SIGKILL')
  proxy.bytesPerS = Number.POSITIVE_INFINITY
  await fleet.startAgent('pi-1')
  // The other one didn't wait for a node that is away; this one took the release over as one that comes late does.
  await allOn(2, epoch, ['pi-2'])
})

test('Killed while it makes the release ready, it begins with that again', async () => {
  // The rehearsal of whoever comes before that moment takes until then.
  const until = Date.now() + 15_000
  const restore = `while (now() < ${until}) {}`
  const { epoch } = await push(3, { restore }, `${ticking}turn = "30s"\n`)
  await nodeAt(fleet, 'app', 'pi-1', 'preparing')
  await killAndStart(fleet, 'pi-1')
  await allOn(3, epoch, ['pi-2'])
})

test('Killed when it has prepared, it prepares again and flips with the others', async () => {
  const { epoch } = await whileOtherSleeps(async () => {
    const pushed = await push(4)
    await nodeAt(fleet, 'app', 'pi-1', 'prepared')
    await killAndStart(fleet, 'pi-1')
    await nodeAt(fleet, 'app', 'pi-1', 'prepared')
    return pushed
  })
  const [one, two] = await allOn(4, epoch)
  expect(one!.instantMs).toBe(two!.instantMs)
})

test('Killed between the commit and its instant, it flips by what it has written down', async () => {
  const slow = proxies.get('pi-2')!
  // The gateway gives a lead of twice the worst round trip.
  slow.delayMs = 400
  const { epoch } = await push(5)
  await nodeAt(fleet, 'app', 'pi-1', 'committed')
  await killAndStart(fleet, 'pi-1')
  slow.delayMs = 0
  await allOn(5, epoch)
})

test('Killed just after the flip, it stays on the new release and says what it knows of the flip', async () => {
  const { epoch } = await push(6)
  await fleet.agents.get('pi-1')!.line(new RegExp(`app runs release .*epoch=${epoch}\\b`))
  await killAndStart(fleet, 'pi-1')
  const [receipt] = await allOn(6, epoch)
  expect(receipt!.to.epoch).toBe(epoch)
})

test('Killed while the rollout watches how the nodes do, it is back before that is over', async () => {
  const { epoch } = await push(7, {}, `[rollout]\nsoak = "5s"\n\n${ticking}`)
  await inState(fleet, 'app', 7, 'soaking')
  await killAndStart(fleet, 'pi-1')
  await allOn(7, epoch)
})

test('Through all of this its state went over from release to release', async () => {
  const values = await ask<ValueLine[]>(fleet, '/v1/values', { app: 'app', metric: 'count' })
  // Seven releases for at least five seconds each, five ticks a second; one that began anew would have a fraction of that.
  expect(values.find(({ node }) => node === 'pi-1')!.value).toBeGreaterThan(100)
})
