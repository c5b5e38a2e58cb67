import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadIdentity } from '../../agent/home.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { joinWith, newest, nodeOf, pushMeter, say, setSecret, untilNode, untilValue } from './node-support.ts'
import { steadySensor } from './support.ts'

// A device dies, and another takes its place: same name, same history, other keys.

let fleet: Fleet
const replacement = () => fleet.agentHome('pi-new')

const invite = async () => (await fleet.json<{ url: string }>(['invite', 'pi-7', '--replace', '--url-only'])).url

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-7', { nodeFile: steadySensor })
  await fleet.hypha(['node', 'label', 'pi-7', 'floor=2'])
  await fleet.hypha(['node', 'set', 'pi-7', '--zone', 'north'])
  await pushMeter(fleet)
  await setSecret(fleet, 'twelve chars')
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 12)
})
afterAll(() => fleet.stop())

test('A name is given to another device only where that is said, and only where there is one', async () => {
  const taken = await fleet.tryHypha(['invite', 'pi-7'])
  expect(taken.code).toBe(2)
  expect(taken.stderr).toContain('hypha invite pi-7 --replace')
  expect((await fleet.tryHypha(['invite', 'pi-8', '--replace'])).code).toBe(2)
})

test('Another device goes on under the name of a dead one, with its history, its place, what waited for it, and secrets that only it can open', async () => {
  const before = await nodeOf(fleet, 'pi-7')
  await fleet.agents.get('pi-7')!.end('SIGKILL')
  await untilNode(fleet, 'pi-7', 'offline', ({ online }) => !online)
  await say(fleet, 41)

  const joined = await joinWith(replacement(), await invite())
  expect(joined.stderr).toBe('')
  fleet.writeNodeFile('pi-new', steadySensor)
  await fleet.startAgent('pi-new')
  await untilValue(fleet, 'heard', 'pi-7', (value) => value === 41)
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 12)
  const after = await untilNode(fleet, 'pi-7', 'up to date', ({ directive, online }) => {
    return online && directive.held === directive.wanted
  })
  expect(after).toMatchObject({ zone: 'north', labels: ['floor=2'], revoked: null })
  expect(after.directive.held).toBeGreaterThan(before.directive.held)
  expect(after.certificate.fingerprint).not.toBe(before.certificate.fingerprint)
  // It began to count anew; what the one before has counted is there.
  const asked = ['values', '--app', 'meter', '--metric', 'ticks', '--history', '10min']
  const [ticks] = await fleet.json<{ history: { mean: number }[] }[]>(asked)
  expect(ticks!.history.filter(({ mean }) => mean === 1)).toHaveLength(2)
})

test('The old device is refused for good', async () => {
  const old = fleet.spawnAgent('pi-7')
  await old.line(/refused the node/)
  await fleet.gateway!.line(/refused: it was removed, or has a newer certificate/)
  await old.line(/certificate can't be renewed now/)
  await old.end('SIGKILL')
  expect(await nodeOf(fleet, 'pi-7')).toMatchObject({ online: true })
})

test('The live connection of a device ends as soon as another has joined under its name', async () => {
  const agent = fleet.agents.get('pi-new')!
  const url = await invite()
  const joined = await joinWith(fleet.agentHome('pi-third'), url)
  expect(joined.stderr).toBe('')
  await agent.line(/refused the node/)
  await agent.end('SIGKILL')
  // Its goodbye, or its will, says nothing about the new one, whose numbers begin again at 1.
  fleet.writeNodeFile('pi-third', steadySensor)
  await fleet.startAgent('pi-third')
  await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 12)
})

test('The same machine joins again with new keys: it says how, keeps what it holds, and goes on counting', async () => {
  const home = fleet.agentHome('pi-third')
  const url = await invite()
  const plain = await joinWith(home, url)
  expect(plain.code).toBe(2)
  expect(plain.stderr).toContain('hypha-agent join URL --again')
  expect(plain.stderr).toContain('hypha invite pi-7 --replace')
  const other = await joinWith(home, url.replace('/pi-7?', '/pi-8?'), '--again')
  expect(other.stderr).toContain('the URL is for pi-8')

  const ticks = await untilValue(fleet, 'ticks', 'pi-7', (value) => value > 5)
  await fleet.agents.get('pi-third')!.end('SIGKILL')
  const before = loadIdentity(home)
  const again = await joinWith(home, url, '--again')
  expect(again.stderr).toBe('')
  expect(loadIdentity(home).seed).not.toEqual(before.seed)
  expect(readFileSync(join(home, 'agent.toml'), 'utf8')).toBe(steadySensor)
  const agent = await fleet.startAgent('pi-third')
  await untilValue(fleet, 'ticks', 'pi-7', (value) => value > ticks + 3)
  await setSecret(fleet, 'a longer secret')
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 15)
  expect(agent.lines.join('\n')).not.toContain('damaged')
  await untilNode(fleet, 'pi-7', 'up to date', ({ directive }) => directive.held === directive.wanted)
})

test('An agent whose trust is damaged runs nothing and says what to do; joining again mends it', async () => {
  const home = fleet.agentHome('pi-third')
  await fleet.agents.get('pi-third')!.end('SIGTERM')
  const trust = join(home, 'data/trust')
  writeFileSync(trust, readFileSync(trust).subarray(0, 100))
  const broken = fleet.spawnAgent('pi-third')
  expect(await broken.ended).toBe(4)
  const said = broken.lines.join('\n')
  expect(said).toContain("can't be read")
  expect(said).toContain('hypha-agent join URL --again')
  const again = await joinWith(home, await invite(), '--again')
  expect(again.stderr).toBe('')
  await fleet.startAgent('pi-third')
  await untilNode(fleet, 'pi-7', 'online', ({ online }) => online)
  const { at } = (await newest(fleet, 'ticks', 'pi-7'))!
  await eventually('a later value', async () => {
    const later = await newest(fleet, 'ticks', 'pi-7')
    return (later !== undefined && later.at > at) || undefined
  })
})
