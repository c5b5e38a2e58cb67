import { type HolderClocks, leftOf, readClocks } from '@hypha/core/lease.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type KeptHolder, LeaseTable } from '../../../gateway/leases/table.ts'

// The lease rule against time itself: whatever the network delays or loses, however clocks drift within what crystals do, whoever starts anew or sleeps.

const instance = 'app/beat'
const forMs = 3_000
/** More than two crystals drift apart. */
const driftPpm = 300

/** Real time, which nobody of those in the test can read. */
class World {
  now = 0
  table = new LeaseTable(() => this.#gatewayClock())
  kept: KeptHolder[] = []
  told: string | null = 'one'
  /** Questions and answers on their way. */
  readonly mail: { due: number; run: () => void }[] = []
  #gatewayStart = 0
  #gatewayDrift = 0

  #gatewayClock(): number {
    return (this.now - this.#gatewayStart) * (1 + this.#gatewayDrift / 1e6)
  }

  restartGateway(driftPpm: number): void {
    this.#gatewayStart = this.now
    this.#gatewayDrift = driftPpm
    this.table = new LeaseTable(() => this.#gatewayClock(), this.kept)
  }

  /** What the gateway does with a question, as its service does. */
  answer(node: string, wants: boolean): boolean {
    const judged = this.table.judge(node, wants ? [{ name: instance, may: this.told === node }] : [], forMs)
    for (const name of judged.freed) this.kept = this.kept.filter((each) => each.name !== name || each.node !== node)
    for (const name of judged.taken)
      this.kept = [...this.kept.filter((each) => each.name !== name), { name, node, forMs }]
    this.table.apply(judged)
    return judged.granted.length > 0
  }

  pass(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = this.mail.sort((a, b) => a.due - b.due)[0]
      if (next === undefined || next.due > end) break
      this.mail.shift()
      this.now = Math.max(this.now, next.due)
      next.run()
    }
    this.now = end
  }
}

/** A node that runs whatever it has a lease of. */
class Node {
  readonly #name: string
  readonly #world: World
  readonly #drift: number
  #slept = 0
  /** Counts starts: an answer to a question of before is not for this one. */
  #life = 0
  #granted: { asked: ReturnType<typeof readClocks> } | null = null

  constructor(name: string, world: World, drift: number) {
    this.#name = name
    this.#world = world
    this.#drift = drift
  }

  get #clocks(): HolderClocks {
    const passed = this.#world.now * (1 + this.#drift / 1e6)
    // One that sleeps is behind; the other goes on, in steps.
    return { monotonic: () => passed - this.#slept, uptime: () => Math.floor(passed / 10) * 10, uptimeStepMs: 10 }
  }

  get runs(): boolean {
    return this.#granted !== null && leftOf(this.#granted.asked, forMs, this.#clocks) > 0
  }

  ask(thereMs: number, backMs: number): void {
    const asked = readClocks(this.#clocks)
    const life = this.#life
    const world = this.#world
    world.mail.push({
      due: world.now + thereMs,
      run: () => {
        if (!world.answer(this.#name, true)) return
        const arrive = () => {
          if (life === this.#life) this.#granted = { asked }
        }
        world.mail.push({ due: world.now + backMs, run: arrive })
      },
    })
  }

  restart(): void {
    this.#life++
    this.#granted = null
  }

  /** Its own monotonic clock stands still meanwhile. */
  sleep(ms: number): void {
    this.#world.pass(ms)
    this.#slept += ms * (1 + this.#drift / 1e6)
  }
}

// Few values, around what a lease is for: so that what goes wrong only at one moment is met.
const delay = fc.constantFrom(0, 0, 5, 1_000, forMs - 10, forMs + 10, 2 * forMs)
const which = fc.constantFrom('one', 'two')
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ask'), node: which, there: delay, back: delay }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 10, 100, 1_000, forMs - 5, forMs) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move'), to: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart'), node: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sleep'), node: which, ms: fc.constantFrom(10, 1_000, forMs) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('gateway'), drift: fc.integer({ min: -driftPpm, max: driftPpm }) }),
  },
)

test('No interleaving of delays, drifts, sleeps, moves and restarts gives an instance to two nodes at once', () => {
  const drift = fc.integer({ min: -driftPpm, max: driftPpm })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), drift, drift, (steps, driftOne, driftTwo) => {
      const world = new World()
      const nodes = { one: new Node('one', world, driftOne), two: new Node('two', world, driftTwo) }
      for (const each of steps) {
        if (each.do === 'ask') nodes[each.node].ask(each.there, each.back)
        else if (each.do === 'pass') world.pass(each.ms)
        else if (each.do === 'move') world.told = each.to
        else if (each.do === 'restart') nodes[each.node].restart()
        else if (each.do === 'sleep') nodes[each.node].sleep(each.ms)
        else world.restartGateway(each.drift)
        // Whoever is to have it asks for it without end.
        if (world.told === 'one') nodes.one.ask(0, 0)
        else nodes.two.ask(0, 0)
        world.pass(1)
        expect([nodes.one.runs, nodes.two.runs]).not.toEqual([true, true])
      }
    }),
    { numRuns: 5_000 },
  )
})

test('A node that asks in time never loses its lease, and one that is not to have it gets it when the other’s has run out', () => {
  const world = new World()
  const nodes = { one: new Node('one', world, driftPpm), two: new Node('two', world, -driftPpm) }
  for (let round = 0; round < 20; round++) {
    nodes.one.ask(5, 5)
    world.pass(1_000)
    expect(nodes.one.runs).toBe(true)
  }
  world.told = 'two'
  let waited = 0
  for (; !nodes.two.runs; waited += 100) {
    nodes.two.ask(5, 5)
    world.pass(100)
  }
  expect(waited).toBeLessThanOrEqual(forMs)
  expect(nodes.one.runs).toBe(false)
})
