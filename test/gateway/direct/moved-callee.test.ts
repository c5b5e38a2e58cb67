import type { Directive } from '@hypha/core/trust/directive.ts'
import { expect, test } from 'vitest'
import { sameWork } from '../../../agent/sections.ts'
import { module, node, release } from '../place/fleets.ts'
import { directed } from './directed.ts'

// A shared callee moves between edges; a device calls it.

const app = release([
  module('asker', { imports: ['sensor', 'plants:app/advice@0.1.0'], timerMs: 1_000 }),
  module('advisor', { imports: ['sql'], exports: ['plants:app/advice@0.1.0'], timerMs: 60_000 }),
])
const edge = (id: string) => node(id, { tier: 'edge' })
const sectionOf = (all: readonly Directive[], id: string) => all.find((made) => made.node === id)!.sections[0]!
const leadsTo = (all: readonly Directive[], id: string) =>
  sectionOf(all, id).instances[0]!.links.flatMap(({ provider }) =>
    provider.kind === 'instance' ? [provider.node] : [],
  )

test('Callers are told where it is by now in the same epoch, and for their node that is no other work', () => {
  const before = directed({ releases: [app], fleet: [node('pi-7'), edge('edge-1')] })
  expect(leadsTo(before.all, 'pi-7')).toEqual(['edge-1'])
  expect(sectionOf(before.all, 'edge-1').leased).toEqual([{ module: 'advisor', home: null }])
  expect(sectionOf(before.all, 'pi-7').leased).toBeNull()
  const now = { releases: [app], fleet: [node('pi-7'), edge('edge-2')], last: before.all, epochs: before.epochs }
  const after = directed(now)
  expect(after.made).toEqual(['edge-2', 'pi-7'])
  expect(leadsTo(after.all, 'pi-7')).toEqual(['edge-2'])
  const [was, is] = [sectionOf(before.all, 'pi-7'), sectionOf(after.all, 'pi-7')]
  expect(is.epoch).toBe(was.epoch)
  expect(sameWork(was, is)).toBe(true)
  expect(directed({ ...now, last: after.all, epochs: after.epochs }).made).toEqual([])
})

test('One that comes to its caller’s own node, or leaves it, is another section under another epoch', () => {
  const there = directed({ releases: [app], fleet: [node('pi-7'), edge('edge-1')] })
  const capable = node('pi-7', {
    interfaces: ['sensor', 'sql'].map((name) => `hypha:host/${name}@0.1.0`),
  })
  const here = directed({ releases: [app], fleet: [capable], last: there.all, epochs: there.epochs })
  const [was, is] = [sectionOf(there.all, 'pi-7'), sectionOf(here.all, 'pi-7')]
  expect(is.instances.map(({ module: name }) => name)).toEqual(['asker', 'advisor'].sort())
  expect(is.epoch).toBe(was.epoch + 1)
  expect(sameWork(was, is)).toBe(false)
})
