import type { FuncType } from '@hypha/core/wasm/types.ts'
import { expect, test } from 'vitest'
import { brokenLinks, flipTogether } from '../../../gateway/place/breaks.ts'
import { place } from '../../../gateway/place/place.ts'
import { demoFleet, module, planOf, release } from './fleets.ts'

const math = 'acme:x/math@0.1.0'
const add = (...types: 'f64'[]): FuncType => ({
  name: 'add',
  params: types.map((type, index) => ({ name: `p${index}`, type })),
  result: 'f64',
})

/** A front that calls `calls` of the helper on the cloud node, which exports `gives`. */
function app(number: number, calls: FuncType, gives: readonly FuncType[]) {
  const front = module('front', { imports: ['sql', math], timerMs: 1_000 })
  const helper = module('helper', { imports: ['http', 'kv'], exports: [math] })
  const typed = (side: 'imports' | 'exports', of: typeof front, funcs: readonly FuncType[]) => ({
    ...of,
    world: { ...of.world, [side]: of.world[side].map((each) => (each.name === math ? { ...each, funcs } : each)) },
  })
  return release([typed('imports', front, [calls]), typed('exports', helper, gives)], 'acme', number)
}

test('A release whose interfaces stay as they are, or gain a function, breaks no link', () => {
  const more = { ...add('f64'), name: 'double' }
  expect(brokenLinks(app(1, add('f64'), [add('f64')]), app(2, add('f64'), [add('f64'), more]))).toEqual([])
})

test('A function that changes breaks the link between the releases, and its nodes flip together', () => {
  const [before, after] = [app(1, add('f64'), [add('f64')]), app(2, add('f64', 'f64'), [add('f64', 'f64')])]
  const broken = brokenLinks(before, after)
  expect(broken).toEqual([
    {
      caller: 'front',
      callee: 'helper',
      interface: math,
      why: 'in the new release add is called with 1 parameters, and has 2',
    },
  ])
  const plan = planOf(before, demoFleet())
  expect(flipTogether(broken, [plan])).toEqual([['gw-edge', 'cloud-1']])
  const noted = place({ release: after, digest: '', fleet: demoFleet(), previous: plan, replaced: before })
  expect(noted.notes).toEqual([
    `front calls ${math} of helper, and in the new release add is called with 1 parameters, and has 2: nodes on both sides of this link flip in one wave, whatever waves there are`,
  ])
})

test('A module that calls what only the new release has breaks, too', () => {
  const before = release([module('front', { imports: ['sql'], timerMs: 1_000 })], 'acme', 1)
  expect(brokenLinks(before, app(2, add('f64'), [add('f64')])).map(({ why }) => why)).toEqual([
    "helper isn't there in the release that runs",
  ])
})
