import { systemClock } from '@hypha/core/platform/clock.ts'
import { expect, onTestFinished, test } from 'vitest'
import type { PreparedApp } from '../../../agent/sandbox/sandbox.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

// Instances that run only under a lease: they wait without one, stop when it runs out, in the middle of a turn too, and go on when it is back.

/** A lease that the test gives and takes. */
class Gate {
  #held: boolean
  runs = 0
  readonly #listeners = new Set<() => void>()

  constructor(held: boolean) {
    this.#held = held
  }

  readonly gate = () => {
    const isHeld = () => this.#held
    return {
      get held() {
        return isHeld()
      },
      onChange: (run: () => void) => {
        this.#listeners.add(run)
        return () => this.#listeners.delete(run)
      },
      begin: () => {
        this.runs++
        return () => this.runs--
      },
    }
  }

  /** By the clock alone: nobody is told. */
  ends(): void {
    this.#held = false
  }

  set(held: boolean): void {
    this.#held = held
    for (const run of [...this.#listeners]) run()
  }
}

/** Reads a sensor, which the test answers when it likes, and emits what it got. */
const reader = () =>
  guestModule('reader', {
    imports: ['host/sensor#read', 'host/telemetry#emit'],
    exports: {
      'module/inbox#deliver': `
        (call $sensor.read (i32.const 8) (i32.const 4) (i32.const 512))
        (call $telemetry.emit (i32.const 8) (i32.const 4) (f64.load (i32.const 520)) (i32.const 528))`,
    },
    fields: '(data (i32.const 8) "soil")',
  })

async function start(held: boolean) {
  const gate = new Gate(held)
  const asked: ((value: unknown) => void)[] = []
  const { promise: firstAsk, resolve: sawAsk } = Promise.withResolvers<void>()
  const box = testSandbox(
    systemClock,
    { backoffMs: 1 },
    () =>
      new Promise((resolve) => {
        asked.push(resolve)
        sawAsk()
        if (asked.length > 1) resolve(reading)
      }),
    null,
    gate,
  )
  const section = sectionOf([await reader()])
  const app = await box.sandbox.prepare({ ...section, leased: [{ module: 'reader', home: 'pi-7' }] }, box.journal)
  onTestFinished(async () => {
    for (const answer of asked) answer({ tag: 'err', val: 'unavailable' })
    await app.stop({ save: false })
    await box.sandbox.close()
  })
  return { ...box, app, gate, asked, firstAsk }
}

const statusOf = (app: PreparedApp) => app.instances()[0]!.status

function becomes(app: PreparedApp, status: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => statusOf(app) === status && resolve()
    app.onChange(look)
    look()
  })
}

const reading = { tag: 'ok', val: 21 }

test('Without a lease it waits, with what is delivered to it, and runs once there is one', async () => {
  const { app, gate, journal, asked, firstAsk } = await start(false)
  await app.activate()
  expect(statusOf(app)).toBe('waiting')
  expect(gate.runs).toBe(0)
  expect(app.deliver(instanceOf('reader'), inputOf(1))).toBe('queued')
  gate.set(true)
  await firstAsk
  asked[0]!(reading)
  await journal.until((turns) => turns.length > 0)
  expect(journal.turns[0]!.samples).toMatchObject([{ metric: 'soil', value: 21 }])
  expect(gate.runs).toBe(1)
})

test('It ends in the middle of a turn when its lease runs out: nothing of that is journaled, and the input gets its turn when there is another', async () => {
  const { app, gate, journal, asked, firstAsk, event } = await start(true)
  await app.activate()
  app.deliver(instanceOf('reader'), inputOf(1))
  await firstAsk
  gate.set(false)
  await event('lease-run-out')
  asked[0]!(reading)
  await becomes(app, 'waiting')
  expect(journal.turns).toEqual([])
  gate.set(true)
  await journal.until((turns) => turns.length > 0)
  expect(journal.turns).toMatchObject([{ input: { number: 1 }, outcome: 'ok' }])
})

test('What a turn leaves behind after the lease has run out by the clock does not count, also where no timer has said so', async () => {
  const { app, gate, journal, asked, firstAsk } = await start(true)
  await app.activate()
  app.deliver(instanceOf('reader'), inputOf(1))
  await firstAsk
  // A machine that slept: it wakes up in the middle of the turn.
  gate.ends()
  asked[0]!(reading)
  await becomes(app, 'waiting')
  expect(journal.turns).toEqual([])
  expect(app.instances()[0]).toMatchObject({ restarts: 0, error: null })
})

test('It is let go only when it has ended, and a stop saves nothing that it has no lease for', async () => {
  const { app, gate } = await start(true)
  await app.activate()
  expect(gate.runs).toBe(1)
  gate.ends()
  await app.stop({ save: true })
  expect(gate.runs).toBe(0)
})
