import { systemClock } from '@hypha/core/platform/clock.ts'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { PreparedApp, Swapped } from '../../../agent/sandbox/sandbox.ts'
import type { RunnableModule } from '../../../agent/turns.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

const instance = instanceOf('counter')

/** Counts its inputs, which is its state; ticks. */
const counter = ({ save = '', restore = '', start = '' }) => ({
  imports: ['host/telemetry#emit'],
  exports: {
    'module/inbox#deliver': `
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (call $telemetry.emit (i32.const 8) (i32.const 1) (f64.convert_i32_u (i32.load (i32.const 0))) (i32.const 512))`,
    'module/timer#tick': '(call $telemetry.emit (i32.const 16) (i32.const 4) (f64.const 1) (i32.const 512))',
    'module/state#save': `${save}
      (i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 4)) (i32.const 520)`,
    'module/state#restore': `${restore}
      (i32.store (i32.const 0) (i32.load (local.get $p2)))
      (i32.store8 (i32.const 528) (i32.const 0)) (i32.const 528)`,
    'module/lifecycle#start': start,
    'module/lifecycle#stop': '',
  },
  fields: '(data (i32.const 8) "n") (data (i32.const 16) "tick")',
})

const kinds = ['sound', 'late', 'restore', 'start', 'save'] as const
type Kind = (typeof kinds)[number]
const trapAt = { sound: {}, late: {}, restore: { restore: 'unreachable' }, start: { start: 'unreachable' } }
/** One that has counted to an odd number can't be saved. */
const odd = '(if (i32.and (i32.load (i32.const 0)) (i32.const 1)) (then unreachable))'
const modules = new Map<Kind, RunnableModule>()

beforeAll(async () => {
  for (const kind of kinds) {
    const source = counter(kind === 'save' ? { save: odd } : trapAt[kind])
    modules.set(kind, await guestModule('counter', source, { timerMs: 20 }))
  }
})

/** Delivers inputs to whatever stands for the app until it is told to stop. */
function feed(target: () => PreparedApp): { stop(): number } {
  let [number, ended] = [0, false]
  const more = (): void => {
    if (!ended && target().deliver(instance, inputOf(number + 1)) !== 'full') number++
    if (!ended) setTimeout(more, 1)
  }
  more()
  return {
    stop() {
      ended = true
      return number
    },
  }
}

const steps = fc.array(fc.record({ kind: fc.constantFrom(...kinds), toNext: fc.boolean(), rehearse: fc.boolean() }), {
  minLength: 2,
  maxLength: 5,
})

test('Whatever fails at a flip, each input is handled once and in order, and the count is right where nothing trapped in the old release.', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (swaps) => {
      const { sandbox, journal } = testSandbox(systemClock, { backoffMs: 1, maxBackoffMs: 1, waitingInputs: 20_000 })
      // As the real one has it: without reading all that was journaled.
      let highest = -1
      const commit = journal.commit.bind(journal)
      journal.handled = () => highest
      journal.commit = (turn) => {
        for (const { input } of turn) highest = Math.max(highest, input?.number ?? -1)
        commit(turn)
      }
      const prepare = (kind: Kind, epoch: number): Promise<PreparedApp> => {
        const section = sectionOf([modules.get(kind)!], { release: epoch.toString(16).padStart(64, '0') })
        return sandbox.prepare({ ...section, epoch }, journal)
      }
      let current = await prepare('sound', 1)
      let target = current
      await current.activate()
      const feeder = feed(() => target)
      const swapped: Swapped[] = []
      const ran: Kind[] = ['sound']
      for (const [index, { kind, toNext, rehearse }] of swaps.entries()) {
        const next = await prepare(kind, index + 2)
        if (rehearse) await next.rehearse(current).catch(() => undefined)
        const swapping = sandbox.swap(current, next, { budgetMs: kind === 'late' ? 0 : 60_000, saved: () => undefined })
        if (toNext) target = next
        try {
          swapped.push(await swapping)
          current = next
          ran.push(kind)
        } catch {
          await next.stop({ save: false })
        }
        target = current
      }
      const fed = feeder.stop()
      await journal.until(() => highest === fed)
      const settled = await Promise.all(swapped.map((each) => each.settled))
      await current.stop({ save: false })
      const handled = journal.turns.filter(({ input }) => input !== null)
      expect(handled.map(({ input }) => input!.number)).toEqual(Array.from({ length: fed }, (_, index) => index + 1))
      const epochs = handled.map(({ epoch }) => epoch)
      expect(epochs).toEqual(epochs.toSorted((a, b) => a - b))
      for (const { lost, doubled } of settled) expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 })
      if (!ran.includes('save'))
        expect(handled.map(({ samples }) => samples[0]!.value)).toEqual(handled.map((_, i) => i + 1))
    }),
    { numRuns: 5 },
  )
})
