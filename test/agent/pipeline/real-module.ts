import { systemClock } from '@hypha/core/platform/clock.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import { inputs } from '@hypha/core/wire/messages/input.ts'
import { createSandbox, type Sandbox } from '../../../agent/sandbox/sandbox.ts'
import type { RunnableModule, TurnRecord } from '../../../agent/turns.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { guestModule } from '../../support/sandbox-guest.ts'
import { makeModule, startMs } from '../../support/signed.ts'
import { type Network, startNode } from './node.ts'

// The whole way on one node, with cells that run.

/** Counts its inputs in a byte, which is its state; emits the count as `n`, and stores it under that key. `then`: what it does beside that with each input, in WAT. */
export const counter = (then = '') =>
  guestModule('sampler', {
    imports: ['host/kv#set', 'host/telemetry#emit'],
    exports: {
      'module/inbox#deliver': `
        (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
        (call $telemetry.emit (i32.const 8) (i32.const 1) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))
        (call $kv.set (i32.const 8) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 512))
        ${then}`,
      'module/state#save':
        '(i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 1)) (i32.const 520)',
      'module/state#restore': `
        (i32.store8 (i32.const 0) (i32.load8_u (local.get $p2))) (i32.store8 (i32.const 528) (i32.const 0)) (i32.const 528)`,
    },
    fields: '(data (i32.const 8) "n")',
  })

/** A section that asks for a release of one such module. */
export function sectionOf(
  network: Network,
  number: number,
  changes: Partial<Section>,
  { bytes, world, limits }: RunnableModule,
): Section {
  const spec = { ...makeModule().spec, timerMs: null, limits: { ...limits, turnMs: 30_000 } }
  const links = world.imports.map(({ name }) => ({ interface: name, provider: { kind: 'host' as const } }))
  const instances = [{ module: 'sampler', home: null, form: 'core' as const, links, config: {} }]
  return network.section(number, bytes, { instances, ...changes }, { world, spec })
}

/** Runs as the machine's does, in the days in which what is signed here holds. */
export const clock: Clock = {
  monotonic: () => systemClock.monotonic(),
  now: () => Math.floor(startMs + systemClock.monotonic()),
  after: (delayMs, run) => systemClock.after(delayMs, run),
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = systemClock.monotonic() + 20_000
  while (!holds()) {
    if (systemClock.monotonic() > deadline) throw new Error(`not so: ${what}`)
    await new Promise<void>((resolve) => systemClock.after(5, resolve))
  }
}

/** A node whose sandbox is the real one, with all that its turns have left behind. `files`: its disk. */
export async function realNode(network: Network, files = new LossyFiles()) {
  const turns: TurnRecord[] = []
  const made: Sandbox[] = []
  const node = await startNode(files, network, clock, 'boot 1', null, ({ commit, event }) => {
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
  return {
    node,
    /** An input for the module's inbox, or for that of its instance of a device. */
    give(number: number, home: string | null = null): void {
      const source = new Uint8Array(8).fill(5)
      const input = {
        source,
        number,
        app: 'greenhouse',
        module: 'sampler',
        home,
        topic: 't',
        payload: source,
        publisher: null,
      }
      node.pipeline.inputs(inputs.encode({ inputs: [input] }))
    },
    handled: () =>
      turns.flatMap(({ instance: { home }, input, outcome, epoch }) =>
        input ? [{ number: input.number, outcome, epoch, home }] : [],
      ),
    counts: () => turns.flatMap(({ samples }) => samples.map(({ value }) => value)),
    async close(): Promise<void> {
      await node.pipeline.close()
      await Promise.all(made.map((sandbox) => sandbox.close()))
    },
  }
}
