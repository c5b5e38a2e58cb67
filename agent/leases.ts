import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { type Asked, type HolderClocks, leftOf, readClocks } from '@hypha/core/lease.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { leaseAnswer, leaseAsk, maxLeases } from '@hypha/core/wire/messages/lease.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { LeaseGate } from './lease-gate.ts'
import type { Link } from './link/link.ts'
import type { InstanceKey } from './turns.ts'

/** An instance that the directive wants here under a lease. */
export interface WantedLease {
  readonly key: InstanceKey
  /** The highest epoch of the sections that list it. */
  readonly epoch: number
}

export interface LeasePorts {
  readonly node: string
  readonly topics: FleetTopics
  readonly link: Pick<Link, 'state' | 'onState' | 'publish' | 'subscribe'>
  readonly clock: Pick<Clock, 'monotonic' | 'after'>
  readonly uptime: Pick<HolderClocks, 'uptime' | 'uptimeStepMs'>
  readonly random: (bytes: number) => Uint8Array
  /** What leases are asked for, in ms. */
  readonly forMs: number
  /** By the directive that is held. */
  readonly wanted: () => readonly WantedLease[]
  readonly onProblem: (error: HyphaError) => void
}

/** Asked again after so long where something wasn't granted: another holds it still, or the directive is on its way. */
const retryMs = 1_000
/** Questions whose answers may come yet. */
const maxOpen = 4

interface Open {
  readonly asked: Asked
  /** Null for what was let go since. */
  names: readonly (string | null)[]
}

interface Granted {
  readonly asked: Asked
  readonly forMs: number
}

/**
 * The leases under which this node runs what no other node may run at the same time. It asks again when a third of their time has passed; who hears nothing stops by its own clocks. Nothing of it is
 * written down: an agent that starts anew holds none. [P 12]
 */
export class Leases {
  readonly #ports: LeasePorts
  readonly #clocks: HolderClocks
  /** By instance. */
  readonly #granted = new Map<string, Granted>()
  /** What runs, and how often: a release that takes over begins before the other one ends. */
  readonly #running = new Map<string, { readonly key: InstanceKey; count: number }>()
  readonly #open = new Map<string, Open>()
  readonly #listeners = new Set<() => void>()
  readonly #ends: (() => void)[]
  /** What was asked for last. */
  #told = ''
  #cancelAsk: () => void = () => undefined
  #cancelExpiry: () => void = () => undefined
  #closed = false

  constructor(ports: LeasePorts) {
    this.#ports = ports
    const { link, topics, node, clock, uptime } = ports
    this.#clocks = {
      monotonic: () => clock.monotonic(),
      uptime: () => uptime.uptime(),
      uptimeStepMs: uptime.uptimeStepMs,
    }
    this.#ends = [
      link.subscribe(topics.down(node, 'lease'), (_topic, bytes) => this.#onAnswer(bytes)),
      link.onState((state) => {
        if (state === 'online') this.#ask()
      }),
    ]
  }

  /** What the directive wants may be another by now. */
  review(): void {
    if (this.#closed || this.#ports.link.state !== 'online') return
    if (this.#wishes().text !== this.#told) this.#ask()
  }

  /** Of instances that stop together. */
  gate(keys: readonly InstanceKey[]): LeaseGate {
    const names = keys.map(instanceName)
    const isHeld = () => names.every((name) => this.#isHeld(name))
    return {
      get held() {
        return isHeld()
      },
      onChange: (run) => {
        this.#listeners.add(run)
        return () => this.#listeners.delete(run)
      },
      begin: () => this.#begin(keys),
    }
  }

  close(): void {
    this.#closed = true
    this.#cancelAsk()
    this.#cancelExpiry()
    for (const end of this.#ends) end()
    this.#listeners.clear()
  }

  #isHeld(name: string): boolean {
    const granted = this.#granted.get(name)
    return granted !== undefined && leftOf(granted.asked, granted.forMs, this.#clocks) > 0
  }

  #begin(keys: readonly InstanceKey[]): () => void {
    for (const key of keys) {
      const name = instanceName(key)
      const running = this.#running.get(name) ?? { key, count: 0 }
      running.count++
      this.#running.set(name, running)
    }
    let ended = false
    return () => {
      if (ended) return
      ended = true
      for (const name of keys.map(instanceName)) {
        const running = this.#running.get(name)!
        if (--running.count === 0) this.#running.delete(name)
      }
      this.review()
    }
  }

  /** What the directive wants, and what runs still: only what is neither is let go. */
  #wishes(): {
    readonly names: string[]
    readonly instances: (InstanceKey & { epoch: number })[]
    readonly text: string
  } {
    const all = new Map([...this.#running].map(([name, { key }]) => [name, { ...key, epoch: 0 }]))
    for (const { key, epoch } of this.#ports.wanted()) all.set(instanceName(key), { ...key, epoch })
    const wishes = [...all].slice(0, maxLeases)
    return {
      names: wishes.map(([name]) => name),
      instances: wishes.map(([, { app, module, home, epoch }]) => ({ app, module, home, epoch })),
      text: wishes.map(([name, { epoch }]) => `${name} ${epoch}`).join(),
    }
  }

  #ask(): void {
    const { link, topics, node, random, forMs, clock } = this.#ports
    this.#cancelAsk()
    if (this.#closed || link.state !== 'online') return
    const { names, instances, text } = this.#wishes()
    for (const name of this.#granted.keys()) if (!names.includes(name)) this.#granted.delete(name)
    // What is let go with this question, no answer to an earlier one may give back.
    for (const open of this.#open.values()) {
      open.names = open.names.map((name) => (name !== null && names.includes(name) ? name : null))
    }
    // Once more where there is nothing left: so the gateway hears that it was let go.
    if (names.length === 0 && this.#told === '') return
    this.#told = text
    const nonce = random(8)
    // Before anything is sent: whenever it is answered, that was later.
    this.#open.set(toHex(nonce), { asked: readClocks(this.#clocks), names })
    while (this.#open.size > maxOpen) this.#open.delete(this.#open.keys().next().value!)
    link.publish(topics.up(node, 'lease'), leaseAsk.encode({ nonce, forMs, instances }), { qos: 0 }).catch(() => {
      // Cut in between: the next connection asks anew.
    })
    const missing = names.some((name) => !this.#isHeld(name))
    const thirdMs = forMs / 3
    // A fleet that came back at once must not ask at once for ever.
    const nextMs = (missing ? Math.min(retryMs, thirdMs) : thirdMs) * (0.8 + (0.2 * random(1)[0]!) / 256)
    if (names.length > 0) this.#cancelAsk = clock.after(nextMs, () => this.#ask())
  }

  #onAnswer(bytes: Uint8Array): void {
    if (this.#closed) return
    try {
      const { nonce, forMs, granted } = leaseAnswer.decode(bytes)
      const open = this.#open.get(toHex(nonce))
      // To a question of the agent that ran before, or to one that isn't waited for any more: whatever it grants has begun to run out who knows when.
      if (open === undefined) return
      this.#open.delete(toHex(nonce))
      const wanted = new Set(this.#ports.wanted().map(({ key }) => instanceName(key)))
      for (const index of granted) {
        const name = open.names[index] ?? null
        if (name !== null && wanted.has(name)) this.#grant(open, name, forMs)
      }
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    }
    this.#changed()
  }

  #grant({ asked }: Open, name: string, forMs: number): void {
    const before = this.#granted.get(name)
    const left = (granted: Granted) => leftOf(granted.asked, granted.forMs, this.#clocks)
    const granted = { asked, forMs }
    if (before === undefined || left(before) < left(granted)) this.#granted.set(name, granted)
  }

  /** Tells whoever runs under a lease, and looks again when the next one runs out. */
  #changed(): void {
    this.#cancelExpiry()
    const left = [...this.#granted.values()].map(({ asked, forMs }) => leftOf(asked, forMs, this.#clocks))
    const next = Math.min(...left.filter((ms) => ms > 0))
    if (next !== Number.POSITIVE_INFINITY) this.#cancelExpiry = this.#ports.clock.after(next, () => this.#changed())
    for (const run of [...this.#listeners]) run()
  }
}
