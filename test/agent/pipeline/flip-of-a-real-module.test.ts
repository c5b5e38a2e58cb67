import { toHex } from '@hypha/core/bytes/text.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import { inputs } from '@hypha/core/wire/messages/input.ts'
import { expect, test } from 'vitest'
import { createSandbox, type Sandbox } from '../../../agent/sandbox/sandbox.ts'
import type { TurnRecord } from '../../../agent/turns.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { guestModule } from '../../support/sandbox-guest.ts'
import { makeModule, startMs } from '../../support/signed.ts'
import { Network, startNode } from './node.ts'

// The whole way on one node, with cells that run: what is prepared takes over while inputs come.

/** Counts its inputs in a byte, which is its state, and emits the count as `n`. */
const counter = () =>
  guestModule('sampler', {
    imports: ['host/telemetry#emit'],
    exports: {
      'module/inbox#deliver': `
        (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
        (call $telemetry.emit (i32.const 8) (i32.const 1) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))`,
      'module/state#save':
        '(i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 1)) (i32.const 520)',
      'module/state#restore': `
        (i32.store8 (i32.const 0) (i32.load8_u (local.get $p2))) (i32.store8 (i32.const 528) (i32.const 0)) (i32.const 528)`,
    },
    fields: '(data (i32.const 8) "n")',
  })

async function sectionOf(network: Network, number: number, changes: Partial<Section>): Promise<Section> {
  const { bytes, world, limits } = await counter()
  const spec = { ...makeModule().spec, timerMs: null, limits: { ...limits, turnMs: 30_000 } }
  const links = world.imports.map(({ name }) => ({ interface: name, provider: { kind: 'host' as const } }))
  const instances = [{ module: 'sampler', home: null, form: 'core' as const, links, config: {} }]
  return network.section(number, bytes, { instances, ...changes }, { world, spec })
}

/** Runs as the machine's does, in the days in which what is signed here holds. */
const clock: Clock = {
  monotonic: () => systemClock.monotonic(),
  now: () => Math.floor(startMs + systemClock.monotonic()),
  after: (delayMs, run) => systemClock.after(delayMs, run),
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = systemClock.monotonic() + 20_000
  while (!holds()) {
    if (systemClock.monotonic() > deadline) throw new Error(`not so: ${what}`)
    await new Promise<void>((resolve) => systemClock.after(5, resolve))
  }
}

test('A commit makes a node flip while inputs come: none is lost, none is handled twice, and the count goes on.', async () => {
  const network = new Network()
  const one = await sectionOf(network, 1, {})
  const two = await sectionOf(network, 2, { phase: 'prepare', wave: 0 })
  const turns: TurnRecord[] = []
  const made: Sandbox[] = []
  const node = await startNode(new LossyFiles(), network, clock, 'boot 1', null, ({ commit, event }) => {
    const sandbox = createSandbox({
      node: 'pi-7',
      clock,
      commit: (turn) => {
        commit(turn)
        turns.push(...turn)
      },
      event,
      call: () => ({ tag: 'err', val: 'unavailable' }),
    })
    made.push(sandbox)
    return sandbox
  })
  const give = (number: number) => {
    const source = new Uint8Array(8).fill(5)
    const input = { source, number, app: 'greenhouse', module: 'sampler', home: null, topic: 't', payload: source }
    node.pipeline.inputs(inputs.encode({ inputs: [input] }))
  }
  const handled = () =>
    turns.flatMap(({ input, outcome, epoch }) => (input ? [{ number: input.number, outcome, epoch }] : []))
  const counts = () => turns.flatMap(({ samples }) => samples.map(({ value }) => value))
  await node.boot()
  network.direct(1, one)
  node.connect()
  await until('one runs', () => node.section()?.instances[0]?.status === 'running')
  network.direct(2, one, two)
  node.connect()
  let last = 0
  const flow = setInterval(() => give(++last), 4)
  await until('two is prepared', () => node.prepare()?.status === 'prepared')
  node.committed(network.commitOf(two, clock.now(), 50))
  await until('two runs', () => node.section()?.epoch === 2)
  const before = last
  await until('more has come', () => last >= before + 5)
  clearInterval(flow)
  await until('all is handled', () => handled().length === last)

  expect(toHex(node.section()!.running!)).toBe(toHex(two.release))
  expect(handled().map(({ number }) => number)).toEqual(Array.from({ length: last }, (_, index) => index + 1))
  expect(counts()).toEqual(handled().map(({ number }) => number))
  const [flip] = node.flips
  const atFlip = handled().filter(({ epoch }) => epoch === 1).length
  expect(flip).toMatchObject({ before: atFlip, late: false, to: { release: toHex(two.release) } })
  expect(await flip!.settled).toEqual({ after: flip!.carried, lost: 0, doubled: 0 })

  await node.pipeline.close()
  await Promise.all(made.map((sandbox) => sandbox.close()))
}, 120_000)
