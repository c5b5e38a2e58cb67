import { toHex } from '@hypha/core/bytes/text.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { keys, makeCommit, signCommit, startMs } from '../../support/signed.ts'
import { coreOf, Network, startNode, until } from './node.ts'

const hexOf = ({ release }: Section) => toHex(release)

describe('A node that is to prepare a release', () => {
  let network: Network
  let clock: FakeClock
  let files: LossyFiles
  let one: Section
  let two: Section
  let version = 1
  let boots = 0

  async function boot() {
    files = files.afterPowerCut(1)
    const node = await startNode(files, network, clock, `boot ${++boots}`)
    await node.boot()
    return { ...node, until: (what: string, holds: () => boolean) => until(files, clock, node, what, holds) }
  }

  type Node = Awaited<ReturnType<typeof boot>>

  function direct(node: Node, ...sections: Section[]): void {
    network.direct(++version, ...sections)
    node.connect()
  }

  const prepared = async (node: Node, epoch = 2) =>
    await node.until(`epoch ${epoch} is prepared`, () => {
      const state = node.prepare()
      return state?.epoch === epoch && state.status === 'prepared'
    })

  const commit = (section: Section, inMs: number, changes = {}) => network.commitOf(section, clock.now(), inMs, changes)

  beforeEach(async () => {
    network = new Network()
    clock = new FakeClock(startMs)
    files = new LossyFiles()
    one = network.section(1, coreOf(1))
    two = network.section(2, coreOf(2), { phase: 'prepare', wave: 0 })
    const node = await boot()
    direct(node, one)
    await node.until('one is confirmed', () => node.status() === 'confirmed')
    await node.pipeline.close()
  })

  /** A node that runs one and has prepared two. */
  async function ready(behaviour?: 'traps-at-start' | 'refuses-state' | 'unloadable') {
    const node = await boot()
    if (behaviour !== undefined) node.sandbox.behaviours.set(2, behaviour)
    direct(node, one, two)
    if (behaviour === undefined || behaviour === 'traps-at-start') await prepared(node)
    return node
  }

  it('makes it ready beside what runs, and says so with its rehearsal and its clock', async () => {
    const node = await ready()
    expect(node.section()).toMatchObject({ epoch: 1, status: 'confirmed', release: one.release, running: one.release })
    expect(node.prepare()).toMatchObject({
      epoch: 2,
      release: two.release,
      wave: 0,
      code: null,
      rehearsal: { restoreMs: 1, stateBytes: 64 },
      clock: { rttMs: 1, errorMs: 0.5 },
    })
    expect([node.running(), node.sandbox.started]).toEqual([hexOf(one), 1])
  })

  it.each([
    ['unloadable', 'module-unloadable'],
    ['refuses-state', 'state-refused'],
  ] as const)('says why where it can not: %s', async (behaviour, code) => {
    const node = await ready(behaviour)
    await node.until('it is refused', () => node.prepare()?.status === 'refused')
    expect(node.prepare()?.code).toBe(code)
    expect([node.running(), node.status()]).toEqual([hexOf(one), 'confirmed'])
  })

  it("flips at the commit's instant by the gateway's clock, not before, and tries what it runs then", async () => {
    network.aheadMs = 3_600_000
    const node = await ready()
    node.committed(commit(two, 1_000))
    await node.until('it is written down', () => node.prepare()?.status === 'committed')
    expect(node.running()).toBe(hexOf(one))
    await node.until('two runs', () => node.running() === hexOf(two))
    expect(node.section()).toMatchObject({ epoch: 2, status: 'trial', release: two.release, prepare: null })
    const [flip] = node.flips
    expect(flip!.flippedMs - flip!.instantMs!).toBe(0)
    expect(flip).toMatchObject({ late: false, carried: 2, before: 7, wave: 0, from: { epoch: 1 }, to: { epoch: 2 } })
    await node.until('two is confirmed', () => node.status() === 'confirmed')
  })

  it('stays on it while its directive still says what it ran before, also after a start, and when that is said anew', async () => {
    const node = await ready()
    node.committed(commit(two, 0))
    await node.until('two is confirmed', () => node.section()?.epoch === 2 && node.status() === 'confirmed')
    direct(node, one, two)
    await node.until('it is held', () => node.held() === version)
    expect([node.running(), node.sandbox.started]).toEqual([hexOf(two), 2])
    await node.pipeline.close()
    const again = await boot()
    again.connect()
    await again.until('two runs', () => again.status() === 'confirmed')
    expect([again.running(), again.section()?.epoch, again.prepare()]).toEqual([hexOf(two), 2, null])
  })

  it('changes nothing when the same epoch becomes what is to run', async () => {
    const node = await ready()
    node.committed(commit(two, 0))
    await node.until('two runs', () => node.running() === hexOf(two))
    direct(node, { ...two, phase: 'run', wave: null, chosenMs: startMs })
    await node.until('two is confirmed', () => node.status() === 'confirmed')
    expect([node.section()?.epoch, node.sandbox.started, node.flips.length]).toEqual([2, 2, 1])
  })

  it('keeps a commit that comes before its directive', async () => {
    const node = await boot()
    node.connect()
    node.committed(commit(two, 2_000))
    direct(node, one, two)
    await node.until('two runs', () => node.running() === hexOf(two))
    expect(node.flips[0]?.late).toBe(false)
  })

  it('flips at once where the instant has passed, and says that it was late', async () => {
    const node = await ready()
    node.committed(commit(two, -60_000))
    await node.until('two runs', () => node.running() === hexOf(two))
    expect(node.flips[0]?.late).toBe(true)
  })

  it('passes over the same commit when it comes again, before its instant and after', async () => {
    const node = await ready()
    const said = commit(two, 500)
    for (let time = 0; time < 3; time++) node.committed(said)
    await node.until('two runs', () => node.running() === hexOf(two))
    node.committed(said)
    await node.until('two is confirmed', () => node.status() === 'confirmed')
    expect([node.sandbox.started, node.flips.length]).toEqual([2, 1])
  })

  it('does nothing on the commit of another epoch, of an earlier wave, or by another key', async () => {
    two = { ...two, wave: 1 }
    const node = await ready()
    for (const said of [
      commit(two, 0, { epoch: 3 }),
      commit(two, 0, { epoch: 1, release: one.release }),
      commit(two, 0, { wave: 0 }),
      signCommit(makeCommit(two, { instantMs: 0 }), keys.release),
    ]) {
      node.committed(said)
      await node.inTurns()
      clock.advance(10_000)
    }
    expect([node.prepare()?.status, node.running()]).toEqual(['prepared', hexOf(one)])
    expect(node.told).toEqual([expect.stringContaining('commit-refused')])
    node.committed(commit(two, 0))
    await node.until('two runs', () => node.running() === hexOf(two))
  })

  it('drops it when the section goes away, also after a commit that was not due yet', async () => {
    const node = await ready()
    node.committed(commit(two, 60_000))
    await node.until('it is written down', () => node.prepare()?.status === 'committed')
    direct(node, one)
    await node.until('it is dropped', () => node.prepare() === null)
    clock.advance(120_000)
    await node.inTurns()
    expect([node.running(), node.status()]).toEqual([hexOf(one), 'confirmed'])
    await node.pipeline.close()
    expect((await boot()).running()).toBe(hexOf(one))
  })

  it('prepares a newer one in its place', async () => {
    const node = await ready()
    const three = network.section(3, coreOf(3), { phase: 'prepare', wave: 0 })
    direct(node, one, three)
    await prepared(node, 3)
    node.committed(commit(two, 0))
    await node.inTurns()
    clock.advance(1_000)
    expect(node.running()).toBe(hexOf(one))
    node.committed(commit(three, 0))
    await node.until('three runs', () => node.running() === hexOf(three))
  })

  it('runs it at once, by the same flip, when its directive says so', async () => {
    const node = await ready()
    direct(node, { ...two, phase: 'run', wave: null })
    await node.until('two runs', () => node.running() === hexOf(two))
    expect(node.flips).toMatchObject([{ instantMs: null, to: { epoch: 2 } }])
    await node.until('two is confirmed', () => node.status() === 'confirmed')
    expect(node.section()?.epoch).toBe(2)
  })

  it('keeps to the instant that was written down also where its directive says so before', async () => {
    const node = await ready()
    const instantMs = clock.now() + 5_000
    node.committed(commit(two, 5_000))
    await node.until('it is written down', () => node.prepare()?.status === 'committed')
    direct(node, { ...two, phase: 'run', wave: null })
    await node.until('two runs', () => node.running() === hexOf(two))
    expect(node.flips).toMatchObject([{ instantMs, flippedMs: instantMs }])
  })

  it('goes on with what runs where the flip fails, says so, and does not try again by itself', async () => {
    const node = await ready('traps-at-start')
    const said = commit(two, 0)
    node.committed(said)
    await node.until('it did not flip', () => node.prepare()?.status === 'not-flipped')
    expect(node.prepare()).toMatchObject({ code: 'turn-trapped', message: 'unreachable' })
    node.committed(said)
    await node.inTurns()
    expect([node.running(), node.status(), node.sandbox.started]).toEqual([hexOf(one), 'confirmed', 1])
    await node.pipeline.close()
    const again = await boot()
    again.connect()
    await again.until('it is said again', () => again.prepare()?.status === 'not-flipped')
    expect(again.running()).toBe(hexOf(one))
  })

  it('goes back where it traps again and again after the flip, with kv as it was at the flip', async () => {
    const node = await ready()
    node.committed(commit(two, 0))
    await node.until('two runs', () => node.running() === hexOf(two))
    const kv = () =>
      new TextDecoder().decode(node.journal.kv({ app: 'greenhouse', module: 'sampler', home: null }).get('release'))
    expect(kv()).toBe(hexOf(two))
    for (let trap = 0; trap < 3; trap++) node.sandbox.trap()
    await node.until('one runs again', () => node.running() === hexOf(one))
    expect(node.section()).toMatchObject({ epoch: 2, status: 'reverted', code: 'trial-trapped', running: one.release })
    expect(node.journal.flipOf('greenhouse')).toBeNull()
    expect(node.told).toContainEqual(expect.stringContaining('state-restored'))
    node.connect()
    await node.inTurns()
    expect([node.running(), node.section()?.status, node.prepare()]).toEqual([hexOf(one), 'reverted', null])
  })

  it('says after a start that it has flipped, and of its inputs nothing, where it ended just after', async () => {
    const node = await ready()
    const instantMs = clock.now() + 500
    node.committed(commit(two, 500))
    await node.until('two runs', () => node.running() === hexOf(two))
    await node.journal.sync()
    clock.advance(3_000)
    const again = await boot()
    expect([again.running(), again.flips.length]).toEqual([hexOf(two), 1])
    const [flip] = again.flips
    expect(flip).toMatchObject({ from: { epoch: 1 }, to: { epoch: 2 }, late: false, pauseMs: null, settled: null })
    // It lies between the instant and now, if the instant is known still.
    expect(flip!.instantMs === null || (flip!.flippedMs === instantMs && flip!.errorMs >= 3_000)).toBe(true)
    await again.until('two is confirmed', () => again.status() === 'confirmed')
  })

  it('prepares the first release of an app too, and flips to it from nothing', async () => {
    const node = await boot()
    direct(node)
    await node.until('one is gone', () => node.pipeline.sections().length === 0)
    direct(node, two)
    await prepared(node)
    node.committed(commit(two, 500))
    await node.until('two is confirmed', () => node.running() === hexOf(two) && node.status() === 'confirmed')
    expect(node.flips).toMatchObject([{ from: null }])
  })

  it('is on the new release after an end in mid-wait, with no network, once the instant has passed', async () => {
    const node = await ready()
    node.committed(commit(two, 60_000))
    await node.until('it is written down', () => node.prepare()?.status === 'committed')
    network.online = false
    const before = await boot()
    expect(before.running()).toBe(hexOf(one))
    clock.advance(60_000)
    await before.until('two runs, by its own clock', () => before.running() === hexOf(two))
  })
})
