import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

/** Publishes each input's payload on the topic that it came on. */
const echo = {
  imports: ['host/messages#publish'],
  exports: {
    'module/inbox#deliver': `
      (call $messages.publish (local.get $p0) (local.get $p1) (local.get $p2) (local.get $p3) (i32.const 512))`,
  },
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

test('Inputs are handled once each, in their order, and what they publish is journaled with them.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const module = await guestModule('echo', echo, { publish: ['climate/#'] })
  const app = await sandbox.prepare(sectionOf([module]), journal)
  running.push(app)
  const instance = instanceOf('echo')
  expect(app.deliver(instance, inputOf(1, 'climate/a', text('one')))).toBe('queued')
  await app.activate()
  expect(app.deliver(instance, inputOf(2, 'climate/b', text('two')))).toBe('queued')
  expect(app.deliver(instance, inputOf(2, 'climate/b', text('two')))).toBe('queued')
  expect(app.deliver(instance, inputOf(3, 'elsewhere', text('three')))).toBe('queued')
  await journal.until((turns) => turns.length === 3)
  expect(app.deliver(instance, inputOf(1, 'climate/a', text('one')))).toBe('done')
  expect(
    journal.turns.map(({ input, outcome, messages }) => [input!.number, outcome, messages.map(({ topic }) => topic)]),
  ).toEqual([
    [1, 'ok', ['climate/a']],
    [2, 'ok', ['climate/b']],
    [3, 'ok', []],
  ])
  expect(journal.turns[0]!.messages[0]!.payload).toEqual(text('one'))
})

test('As many inputs wait as may, the next is answered with full, and room is told of.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock(), { waitingInputs: 3 })
  const app = await sandbox.prepare(sectionOf([await guestModule('echo', echo)]), journal)
  running.push(app)
  const instance = instanceOf('echo')
  const { promise: room, resolve } = Promise.withResolvers<unknown>()
  app.onRoom(resolve)
  expect([1, 2, 3, 4].map((number) => app.deliver(instance, inputOf(number)))).toEqual([
    'queued',
    'queued',
    'queued',
    'full',
  ])
  await app.activate()
  expect(await room).toEqual(instance)
  expect(app.deliver(instance, inputOf(4))).toBe('queued')
  await journal.until((turns) => turns.length === 4)
  expect(journal.turns.map(({ input }) => input!.number)).toEqual([1, 2, 3, 4])
})

test('Inputs that got no turn are given back when the app stops, and are taken by the next one.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const section = sectionOf([await guestModule('echo', echo)])
  const first = await sandbox.prepare(section, journal)
  const instance = instanceOf('echo')
  first.deliver(instance, inputOf(5))
  const left = await first.stop({ save: true })
  expect(left).toEqual([{ instance, input: inputOf(5) }])
  const second = await sandbox.prepare(section, journal)
  running.push(second)
  await second.activate()
  expect(second.deliver(instance, left[0]!.input)).toBe('queued')
  await journal.until((turns) => turns.length === 1)
})

test('A turn that could not be journaled is as if it had not been: its input is tried again until it is.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal, event } = testSandbox(clock)
  const section = sectionOf([await guestModule('echo', echo, { publish: ['#'] })])
  const commit = journal.commit.bind(journal)
  let full = true
  journal.commit = (turn) => {
    if (full) throw new Error('the disk is full')
    commit(turn)
  }
  const app = await sandbox.prepare(section, journal)
  running.push(app)
  await app.activate()
  app.deliver(instanceOf('echo'), inputOf(1, 'a', text('one')))
  expect((await event('internal')).text).toContain('the disk is full')
  full = false
  clock.advance(1_000)
  await journal.until((turns) => turns.length === 1)
  expect(journal.turns[0]).toMatchObject({ input: { number: 1 }, outcome: 'ok', messages: [{ topic: 'a' }] })
})
