import { expect, test } from 'vitest'
import { type HandoverInput, nextStep } from '../../../gateway/handover/machine.ts'
import type { Holder } from '../../../gateway/store/handovers.ts'

const holder = (change: Partial<Holder> = {}): Holder => ({
  app: 'app',
  module: 'tally',
  home: 'pi-1',
  node: 'pi-1',
  status: 'held',
  since: 1_000,
  wanted: 'pi-1',
  lost: null,
  move: 0,
  digest: null,
  size: 0,
  turns: 0,
  origin: null,
  stopped: null,
  arrived: true,
  ...change,
})
const said: HandoverInput = {
  places: ['edge'],
  inRollout: false,
  isResting: false,
  unable: null,
  patienceMs: 20_000,
  now: 2_000,
}

const table: readonly [string, Partial<Holder>, Partial<HandoverInput>, string][] = [
  ['stays where plans have it', {}, { places: ['pi-1'] }, 'stay'],
  ['stays while one of two plans has it there', {}, { places: ['edge', 'pi-1'] }, 'stay'],
  ['is taken from the node first where plans have it elsewhere', {}, {}, 'release'],
  ['is taken from the node where it has no place', {}, { places: [] }, 'release'],
  ['waits until the node has let go', { status: 'releasing' }, {}, 'stay'],
  ['waits for its last word also where it is to stay after all', { status: 'releasing' }, { places: ['pi-1'] }, 'stay'],
  ['is taken where the node can say nothing', { status: 'releasing' }, { unable: 'pi-1 was revoked' }, 'force'],
  ['is taken when patience is over', { status: 'releasing' }, { now: 21_000 }, 'force'],
  ['is not taken from who may have a lease', { status: 'releasing' }, { now: 9e9, patienceMs: Infinity }, 'stay'],
  ['is given to the node that plans name', { status: 'free' }, {}, 'give'],
  ['is given back where plans changed meanwhile', { status: 'free' }, { places: ['pi-1'] }, 'give'],
  ['is kept while it has no place', { status: 'free' }, { places: [] }, 'stay'],
  ['is kept until a rollout has ended', { status: 'free' }, { inRollout: true }, 'stay'],
  ['is kept between two waves, too', { status: 'free' }, { inRollout: true, isResting: true }, 'stay'],
  [
    'is given between two waves where its node has lost it',
    { status: 'free', lost: 'pi-1 is away' },
    { inRollout: true, isResting: true },
    'give',
  ],
]

test.each(table)('An instance %s.', (_, before, input, kind) => {
  expect(nextStep(holder(before), { ...said, ...input }).kind).toBe(kind)
})

test('Who is asked to let go is remembered with the node that it is for, and what is taken says why nothing came.', () => {
  const released = nextStep(holder(), said)
  expect(released).toMatchObject({ holder: { status: 'releasing', node: 'pi-1', wanted: 'edge', since: 2_000 } })
  const late = nextStep(holder({ status: 'releasing' }), { ...said, now: 21_500 })
  expect(late).toMatchObject({ holder: { status: 'free', lost: 'pi-1 did not let go of it within 21 s' } })
})
