import type { InterfaceType } from '@hypha/core/wasm/types.ts'
import { expect, test } from 'vitest'
import { cellGroups } from '../../../agent/sandbox/cell-groups.ts'
import type { RunnableModule, RunnableSection } from '../../../agent/turns.ts'
import { ofDevice, type Placed, placedOn, sectionWith } from '../../support/linked-nodes.ts'

const module = (name: string, imports: string[] = [], more: Partial<RunnableModule> = {}): RunnableModule => {
  const named = (of: string): InterfaceType => ({ name: `app:parts/${of}@1.0.0`, funcs: [] })
  return {
    name,
    form: 'core',
    bytes: new Uint8Array(),
    digest: name,
    world: { imports: imports.map(named), exports: [named(name)] },
    limits: { memoryBytes: 65_536, turnMs: 100, telemetryPerS: 1, messagesPerS: 1, kvBytes: 1 },
    timerMs: null,
    subscribe: [],
    publish: [],
    httpHosts: [],
    isolate: false,
    ...more,
  }
}
const driven = (name: string, imports: string[] = []): RunnableModule => {
  const made = module(name, imports)
  return { ...made, world: { ...made.world, exports: [{ name: 'hypha:module/timer@0.1.0', funcs: [] }] } }
}
const link = (
  of: string,
  provider: Placed['links'] extends Readonly<Record<string, infer P>> | undefined ? P : never,
) => ({
  [`app:parts/${of}@1.0.0`]: provider,
})
const shown = (section: RunnableSection, node: string): string[] =>
  cellGroups(section, node).map(
    ({ ownModule, instances }) => `${ownModule ?? ''}: ${instances.map((each) => each.module).join(' ')}`,
  )

test('Where no call leaves its cell, all is in one; isolated modules have their own.', () => {
  const section = sectionWith([
    { module: driven('sampler', ['smooth']), links: link('smooth', placedOn('pi', 'smooth')) },
    { module: module('smooth') },
    { module: module('valve') },
    { module: module('vault', [], { isolate: true }) },
  ])
  expect(shown(section, 'pi')).toEqual([': sampler smooth valve', 'vault: vault'])
})

test('What others may call is apart from what waits for others: a shared module can answer a device through that device’s own actuator.', () => {
  const device = sectionWith([
    { module: driven('sampler', ['advisor']), home: 'pi', links: link('advisor', placedOn('edge', 'advisor')) },
    { module: module('irrigate'), home: 'pi' },
    { module: module('lamp'), home: 'pi' },
  ])
  expect(shown(device, 'pi')).toEqual([': sampler', 'irrigate: irrigate lamp'])
})

test('What calls each other directly stays together, whoever else calls it.', () => {
  const section = sectionWith([
    { module: driven('sampler', ['advisor']), home: 'pi', links: link('advisor', placedOn('pi', 'advisor')) },
    { module: module('advisor', ['irrigate']), links: link('irrigate', ofDevice('irrigate')) },
    { module: module('irrigate'), home: 'pi' },
  ])
  expect(shown(section, 'pi')).toEqual([': sampler advisor irrigate'])
  const edge = sectionWith([
    { module: module('advisor', ['irrigate']), links: link('irrigate', ofDevice('irrigate')) },
    { module: module('planner', ['irrigate']), links: link('irrigate', ofDevice('irrigate')) },
    { module: module('ledger') },
  ])
  expect(shown(edge, 'edge')).toEqual([': ledger', 'advisor: advisor', 'planner: planner'])
})
