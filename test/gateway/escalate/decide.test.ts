import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bar } from '../../../gateway/escalate/bar.ts'
import { decide } from '../../../gateway/escalate/decide.ts'
import { defaultPolicy } from '../../../gateway/escalate/policy.ts'
import { noteVitals, type Readings } from '../../../gateway/escalate/vitals.ts'
import { decided, fault, large, observed, Played, sampler, smooth, t0 } from './fleet.ts'

const s = 1_000
const min = 60 * s
const three = [fault(t0 - 7 * s), fault(t0 - 4 * s), fault(t0 - s)]

describe('An instance that fails again and again', () => {
  test('climbs at the third trap for want of memory, with the numbers', () => {
    expect(decided({ faults: three.slice(0, 2) })).toEqual([])
    expect(decided({ faults: three })).toEqual([
      {
        kind: 'bar',
        bar: {
          app: 'plants',
          module: 'smooth',
          home: 'pi-7',
          node: 'pi-7',
          cause: 'memory',
          text: 'trapped 3 times in 6 s for want of memory on pi-7 (limit 64 KiB)',
          release: 'aa',
          since: t0,
          until: t0 + 5 * min,
          times: 1,
          liftedAt: null,
        },
      },
    ])
  })

  test.each([
    ['traps that are long ago', { faults: three.map((each) => ({ ...each, at: each.at - 10 * min })) }],
    ['traps of its other instances', { faults: three.map((each) => ({ ...each, home: 'pi-8' })) }],
    ['traps where it is no more', { faults: three.map((each) => ({ ...each, node: 'edge' })) }],
    ['faults of several kinds', { faults: [three[0]!, three[1]!, { ...three[2]!, cause: 'deadline' as const }] }],
    ['an app in a rollout, which its gate judges', { faults: three, judged: new Set(['plants']) }],
    ['what is to come by its clock', { faults: three.map((each) => ({ ...each, at: each.at + min })) }],
  ])('does not climb for %s', (_title, changes) => {
    expect(decided(changes)).toEqual([])
  })

  test.each([
    ['deadline', 3, 'overran the deadline of its turn 3 times in 20 s on pi-7'],
    ['quota', 5, 'was told 5 times in 40 s that it is over its rates on pi-7'],
  ] as const)('climbs for its %s', (cause, count, text) => {
    const faults = Array.from({ length: count }, (_, index) => fault(t0 - 10 * s * index, { cause }))
    expect(decided({ faults: faults.slice(1) })).toEqual([])
    expect(decided({ faults }).map(({ bar }) => bar.text)).toEqual([text])
  })
})

const low: Readings = { 'free-memory': { value: 10 * 65_536, bound: 20 * 65_536, clear: 30 * 65_536, forMs: 10 * s } }
const well: Readings = { 'free-memory': { ...low['free-memory']!, value: 40 * 65_536 } }
const vitalsOf = (readings: Readings, at: number) => new Map([['pi-7', noteVitals(null, readings, at)]])

describe('A node that runs short', () => {
  test('gives up the instance with the most memory, when it has been short for long enough', () => {
    expect(decided({ vitals: vitalsOf(low, t0 - 9 * s) })).toEqual([])
    expect(decided({ vitals: vitalsOf(low, t0 - 10 * s) }).map(({ bar }) => [bar.module, bar.cause, bar.text])).toEqual(
      [['large', 'free-memory', 'pi-7 has 640 KiB of memory free, below 1.3 MiB']],
    )
  })

  test('keeps what is bound to it', () => {
    expect(decided({ vitals: vitalsOf(low, t0 - 10 * s), placed: [sampler] })).toEqual([])
  })

  test.each([
    ['battery', { value: 12, bound: 20, clear: 30, forMs: 0 }, 'pi-7 has 12 % of its battery left, below 20 %'],
    ['cpu', { value: 99, bound: 95, clear: 70, forMs: 0 }, 'pi-7 is busy for 99 % of its time, above 95 %'],
  ])('says so of its %s', (cause, reading, text) => {
    expect(
      decided({ vitals: vitalsOf({ [cause]: reading }, t0), placed: [smooth] }).map(({ bar }) => bar.text),
    ).toEqual([text])
  })

  test('is looked at again before the next one goes', () => {
    const played = new Played([smooth, large, sampler])
    for (let at = t0; at < t0 + 3 * min; at += s) played.step(at, { readings: low })
    expect(played.actions.map(({ at, action }) => [at - t0, action.bar.module])).toEqual([
      [10 * s, 'large'],
      [40 * s, 'smooth'],
    ])
  })

  test('that says nothing for long is not taken to be short still', () => {
    expect(decided({ vitals: vitalsOf(low, t0 - 6 * min) })).toEqual([])
  })
})

describe('Coming home', () => {
  const bar: Bar = { ...decided({ faults: three })[0]!.bar }

  test('waits for the end of the hold-off, which doubles each time', () => {
    const played = new Played()
    for (let at = t0; at < t0 + 60 * min; at += s) played.step(at, { fails: true })
    const [first, second, third] = played.times('bar')
    expect(played.times('lift').slice(0, 3)).toEqual([first! + 5 * min, second! + 10 * min, third! + 20 * min])
  })

  test('waits until the vital is well for a while, beyond its second bound, with room for what comes', () => {
    const played = new Played()
    for (let at = t0; at < t0 + min; at += s) played.step(at, { readings: low })
    const between: Readings = { 'free-memory': { ...low['free-memory']!, value: 25 * 65_536 } }
    for (let at = t0 + min; at < t0 + 10 * min; at += s) played.step(at, { readings: between })
    expect(played.times('lift')).toEqual([])
    for (let at = t0 + 10 * min; at < t0 + 12 * min; at += s) played.step(at, { readings: well })
    expect(played.times('lift')).toEqual([t0 + 10 * min + 30 * s])
  })

  test('is not delayed where another release runs, or nothing does', () => {
    const later = { bars: [bar], now: t0 + s }
    expect(decided(later)).toEqual([])
    expect(decided({ ...later, placed: [{ ...smooth, node: 'edge', release: 'bb' }] })).toEqual([
      { kind: 'lift', bar, why: 'another release is tried on pi-7' },
    ])
    expect(decided({ ...later, placed: [] })).toEqual([{ kind: 'lift', bar, why: 'it is no more' }])
    expect(decided({ ...later, placed: [], judged: new Set(['plants']) })).toEqual([])
  })

  test('after a long calm begins with the first hold-off again', () => {
    const lifted = { ...bar, times: 4, liftedAt: t0 - defaultPolicy.forgetMs }
    expect(decided({ faults: three, bars: [lifted] })[0]!.bar.times).toBe(1)
    expect(decided({ faults: three, bars: [{ ...lifted, liftedAt: lifted.liftedAt + 1 }] })[0]!.bar.times).toBe(5)
  })
})

test('Whatever a cause does, an instance that has climbed stays away for its hold-off, and a flapping one climbs ever more seldom', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 200, maxLength: 2_000 }), (wishes) => {
      const played = new Played()
      for (const [index, bad] of wishes.entries()) {
        played.step(t0 + index * 20 * s, { fails: bad, readings: bad ? low : well })
      }
      const [climbs, homes] = [played.times('bar'), played.times('lift')]
      for (const [index, at] of homes.entries()) {
        expect(at - climbs[index]!).toBeGreaterThanOrEqual(Math.min(6 * 60, 2 ** index) * min)
      }
      // Twelve hours have at most as many climbs as go into them with the hold-off of a vital.
      expect(climbs.length).toBeLessThanOrEqual(11)
    }),
    { numRuns: 60 },
  )
})

test('The same observations in any order make the same decision', () => {
  const all = observed({
    faults: [...three, ...three.map((each) => fault(each.at, { module: 'large', cause: 'deadline' }))],
    vitals: new Map([...vitalsOf(low, t0 - min), ['pi-8', noteVitals(null, low, t0 - min)]]),
    placed: [smooth, large, sampler, { ...smooth, home: 'pi-8', node: 'pi-8' }],
  })
  const once = decide(all, defaultPolicy)
  const backwards = {
    ...all,
    faults: [...all.faults].reverse(),
    vitals: new Map([...all.vitals].reverse()),
    placed: [...all.placed].reverse(),
  }
  expect(once.length).toBeGreaterThan(2)
  expect(decide(backwards, defaultPolicy)).toEqual(once)
})
