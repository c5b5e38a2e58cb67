import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { copyCard, joinWith, newest, nodeOf, pushMeter, untilNode, untilValue } from './node-support.ts'
import { ask, type EventLine, eventOf, steadySensor } from './support.ts'

// Cards are copied: on purpose, and by who restores a backup of one. Two machines with the same keys, and a machine that has forgotten what it said, are noticed; whoever only
// comes and goes is not taken for one.

let fleet: Fleet

const eventsOf = async (code: string) =>
  (await ask<EventLine[]>(fleet, '/v1/events', { limit: '1000' })).filter((event) => event.code === code)

const goesOn = async () => {
  const { value } = (await newest(fleet, 'ticks', 'pi-7'))!
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > value + 2)
}

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-7', { nodeFile: steadySensor })
  await pushMeter(fleet)
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > 2)
  // An agent that dies again and again while it tries a release gives the release up: that is another story.
  await fleet.reached('meter', 'confirmed')
})
afterAll(() => fleet.stop())

test('Whoever crashes, starts again, is cut off, or meets a gateway that starts again is no clone', async () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await fleet.agents.get('pi-7')!.end(signal)
    await fleet.startAgent('pi-7')
    await goesOn()
  }
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await fleet.gateway!.end(signal)
    await fleet.startGateway()
    await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
    await goesOn()
  }
  // Both at once: what comes late is the will of the run before.
  await Promise.all([fleet.agents.get('pi-7')!.end('SIGKILL'), fleet.gateway!.end('SIGKILL')])
  await fleet.startGateway()
  await fleet.startAgent('pi-7')
  await goesOn()
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ clonedAt: null, online: true })
  expect(await eventsOf('cloned-identity')).toEqual([])
  expect(await eventsOf('journal-set-back')).toEqual([])
})

test('A card that was set back begins a new journal: what it counts from then on arrives, and what may be missing is said', async () => {
  await fleet.agents.get('pi-7')!.end('SIGTERM')
  copyCard(fleet, 'pi-7', 'backup')
  await fleet.startAgent('pi-7')
  const { value } = (await newest(fleet, 'ticks', 'pi-7'))!
  await untilValue(fleet, 'ticks', 'pi-7', (ticks) => ticks > value + 10)
  await fleet.agents.get('pi-7')!.end('SIGKILL')
  rmSync(fleet.agentHome('pi-7'), { recursive: true })
  copyCard(fleet, 'backup', 'pi-7')

  const back = fleet.spawnAgent('pi-7')
  await eventOf(fleet, null, 'journal-set-back', /was set back, or is a copy/, 'pi-7')
  await back.line(/its journal begins anew at the next start/)
  // "Try again": whoever keeps it running starts it.
  expect(await back.ended).toBe(5)
  const { at } = (await newest(fleet, 'ticks', 'pi-7'))!
  await fleet.startAgent('pi-7')
  await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
  await eventually('a later value', async () => {
    const later = await newest(fleet, 'ticks', 'pi-7')
    return (later !== undefined && later.at > at) || undefined
  })
  await goesOn()
  expect(await eventsOf('journal-set-back')).toHaveLength(1)
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ clonedAt: null, online: true })
})

test('Two machines with the same keys are noticed once and neither is let in, until the genuine one has new keys', async () => {
  await fleet.agents.get('pi-7')!.end('SIGTERM')
  copyCard(fleet, 'pi-7', 'copy')
  const genuine = await fleet.startAgent('pi-7')
  const copy = fleet.spawnAgent('copy')
  await eventOf(fleet, null, 'cloned-identity', /hypha invite pi-7 --replace/, 'pi-7')
  // Both are refused, and say why where their owner would look. The copy may have ended before, for its journal is behind: whoever keeps it running starts it.
  await genuine.line(/Two machines have the keys of pi-7/)
  await copy.end('SIGKILL')
  await fleet.spawnAgent('copy').line(/Two machines have the keys of pi-7/)
  await fleet.gateway!.line(/refused: Two machines have the keys of pi-7: neither is let in \[cloned-identity\]/)
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ online: false, clonedAt: expect.any(Number) })
  expect(await fleet.hypha(['nodes'])).toMatch(/pi-7 +device +cloned/)
  expect(await fleet.hypha(['node', 'pi-7'])).toContain('hypha invite pi-7 --replace')
  const { notices } = await fleet.json<{ notices: string[] }>(['status'])
  expect(notices).toContainEqual(expect.stringContaining('hypha invite pi-7 --replace'))

  // Also after a restart of the gateway.
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await fleet.agents.get('copy')!.end('SIGKILL')
  fleet.spawnAgent('copy')
  await fleet.gateway!.line(/refused: Two machines have the keys of pi-7/)
  expect(await eventsOf('cloned-identity')).toHaveLength(1)

  await genuine.end('SIGTERM')
  const { url } = await fleet.json<{ url: string }>(['invite', 'pi-7', '--replace', '--url-only'])
  expect((await joinWith(fleet.agentHome('pi-7'), url, '--again')).stderr).toBe('')
  await fleet.startAgent('pi-7')
  await untilNode(fleet, 'pi-7', 'online', ({ online, clonedAt }) => online && clonedAt === null)
  await goesOn()
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ clonedAt: null, online: true })
  expect(await eventsOf('cloned-identity')).toHaveLength(1)
})
