import { systemClock } from '@hypha/core/platform/clock.ts'
import type { InterfaceType } from '@hypha/core/wasm/types.ts'
import { afterEach, expect, test } from 'vitest'
import { shortage } from '../../../agent/sandbox/worker/room.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule, limitsOf } from '../../support/sandbox-guest.ts'

// A cell has one fate, but only one of its modules may be to blame for it.

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const work: InterfaceType = { name: 'test:app/work@1.0.0', funcs: [{ name: 'do', params: [], result: null }] }
const links = { caller: { [work.name]: 'worker' } }
const calling = { interfaces: [work], imports: ['test:app/work@1.0.0#do'] }
const doing = (body: string) => ({ interfaces: [work], exports: { 'test:app/work@1.0.0#do': body } })
const limits = limitsOf({ turnMs: 300 })

async function deadlineOf(caller: string, worker: string): Promise<string> {
  const { sandbox, journal, event } = testSandbox(systemClock)
  const modules = [
    await guestModule('caller', { ...calling, exports: { 'module/inbox#deliver': caller } }, { limits }),
    await guestModule('worker', doing(worker), { limits }),
  ]
  const app = await sandbox.prepare(sectionOf(modules, { links }), journal)
  running.push(app)
  await app.activate()
  app.deliver(instanceOf('caller'), inputOf(1, 'a', new Uint8Array(1)))
  return (await event('deadline')).text
}

test('A turn that hangs in a module that it called names that module.', async () => {
  expect(await deadlineOf('(call $work.do)', '(loop $l (br $l))')).toBe(
    'the turn did not return before its deadline, in module "worker"',
  )
})

test('A turn that hangs after it has called another module names its own.', async () => {
  expect(await deadlineOf('(call $work.do) (loop $l (br $l))', '')).toBe(
    'the turn did not return before its deadline, in module "caller"',
  )
})

const page = 65_536
// What the worker's own declarations leave out.
const Memory = WebAssembly.Memory as unknown as new (limits: { initial: number }) => WebAssembly.Memory
const memoryOf = (initial: number, pages: number) => {
  const now = new Memory({ initial: pages })
  return { now, initialBytes: initial * page, realloc: undefined }
}

test('A module that grew to all that it may has no memory left.', () => {
  expect(shortage(memoryOf(1, 4), 4 * page, false)).toBe(`has taken all its memory of ${4 * page} bytes`)
  expect(shortage(memoryOf(1, 3), 4 * page, true)).toBeNull()
})

test('A module with an arena of its own is asked for an eighth of it, and only after its code has trapped.', () => {
  const asked: number[] = []
  const realloc = (answer: () => number) => (_old: number, _size: number, _align: number, size: number) => {
    asked.push(size)
    return answer()
  }
  const arena = (answer: () => number) => ({ ...memoryOf(1, 1), realloc: realloc(answer) as never })
  const traps = () => {
    throw new WebAssembly.RuntimeError()
  }
  expect(
    shortage(
      arena(() => 1_024),
      32_768,
      true,
    ),
  ).toBeNull()
  expect(shortage(arena(traps), 32_768, true)).toBe('has less than 4096 bytes left of its memory of 32768 bytes')
  expect(
    shortage(
      arena(() => 0),
      32_768,
      true,
    ),
  ).toBe('has less than 4096 bytes left of its memory of 32768 bytes')
  expect(asked).toEqual([4_096, 4_096, 4_096])
  expect(shortage(arena(traps), 32_768, false)).toBeNull()
  expect(asked).toHaveLength(3)
})
