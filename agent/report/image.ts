import { bytesEqual, fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { type Kept, kept, maxSources } from '@hypha/core/wire/messages/checkpoint.ts'
import type { InputId, InstanceKey } from '../turns.ts'
import { BegunCalls } from './begun-calls.ts'
import {
  decodeCheckpoint,
  encodeCheckpoint,
  type Flip,
  fromContent,
  type InstanceImage,
  type PendingMessage,
  toContent,
} from './checkpoint-format.ts'
import {
  type FlipStep,
  type JournaledTurn,
  type JournalRecord,
  messagesAfter,
  turnEntries,
  turnsOf,
} from './records.ts'

/** What the journal's records add up to: the part of them that instances go on from. */
export class Image {
  readonly incarnation: Uint8Array
  acknowledged = 0
  /** Boot of the machine in which the journal was last opened; null after it was closed in order. */
  openedIn: string | null = null
  readonly #instances = new Map<string, InstanceImage>()
  readonly #pending = new Map<number, PendingMessage>()
  /** By app. */
  readonly #flips = new Map<string, Flip>()
  /** Names of instances whose state or kv has changed since `takeChanged`. */
  #changed = new Set<string>()

  constructor(incarnation: Uint8Array) {
    this.incarnation = incarnation
  }

  kv(instance: InstanceKey): ReadonlyMap<string, Uint8Array> {
    return this.#instances.get(instanceName(instance))?.kv ?? new Map()
  }

  state(instance: InstanceKey): { readonly release: string; readonly bytes: Uint8Array } | null {
    return this.#instances.get(instanceName(instance))?.state ?? null
  }

  handled(instance: InstanceKey, source: Uint8Array): number {
    return this.#instances.get(instanceName(instance))?.handled.get(toHex(source)) ?? 0
  }

  begunCall(instance: InstanceKey, id: Uint8Array): boolean {
    return this.#instances.get(instanceName(instance))?.calls.has(id) ?? false
  }

  /** All of an app that have left something behind. */
  instancesOf(app: string): InstanceKey[] {
    return [...this.#instances.values()].flatMap(({ instance }) => (instance.app === app ? [instance] : []))
  }

  /** Number of the last move that brought the instance here; 0 where none did. */
  move(instance: InstanceKey): number {
    return this.#instances.get(instanceName(instance))?.move ?? 0
  }

  /** What the instance would go on from elsewhere, and how many turns its state lacks. */
  kept(instance: InstanceKey): { readonly kept: Kept; readonly turns: number } {
    const { app, module, home } = instance
    const image = this.#instances.get(instanceName(instance))
    const sources = [...(image?.handled ?? [])].slice(-maxSources)
    const { state = null, turns = 0 } = image ?? {}
    return {
      turns: state === null ? 0 : turns,
      kept: {
        app,
        module,
        home,
        state,
        kv: [...(image?.kv ?? [])].map(([key, value]) => ({ key, value })),
        handled: sources.map(([source, number]) => ({ source: fromHex(source), number })),
        calls: image?.calls.toBytes() ?? null,
        timer: null,
      },
    }
  }

  /** Instances whose state or kv has changed since this was asked last. */
  takeChanged(): InstanceKey[] {
    const changed = [...this.#changed].flatMap((name) => this.#instances.get(name)?.instance ?? [])
    this.#changed = new Set()
    return changed
  }

  /** In the order of their numbers. */
  pending(): PendingMessage[] {
    return [...this.#pending.values()]
  }

  /** The epoch in which a release took over that can still be gone back from, and how many turns that loses; null where there is none. */
  flip(app: string): { readonly epoch: number; readonly turns: number } | null {
    return this.#flips.get(app) ?? null
  }

  /** Takes in a record whose first entry has the sequence number `first`. What it keeps it copies. */
  apply(journaled: JournalRecord, first: number): void {
    switch (journaled.kind) {
      case 'turn':
      case 'turns': {
        let number = first
        for (const turn of turnsOf(journaled)) {
          this.#applyTurn(turn, number)
          number += turnEntries(turn)
        }
        return
      }
      case 'forget': {
        const { app, module, home } = journaled
        const gone = (instance: InstanceKey) =>
          instance.app === app && (module === null || (instance.module === module && instance.home === home))
        for (const [name, { instance }] of this.#instances) if (gone(instance)) this.#instances.delete(name)
        for (const { number } of this.pending()) this.#withdraw(number, gone)
        if (module === null) this.#flips.delete(app)
        return
      }
      case 'flip':
        this.#flipStep(journaled.step, journaled.app, journaled.epoch)
        return
      case 'call':
        this.#instance(journaled.instance).calls.add(journaled.id)
        return
      case 'moved-in':
        this.#moveIn(journaled)
        return
      case 'acknowledged':
        this.acknowledged = Math.max(this.acknowledged, journaled.upTo)
        return
      case 'opened':
        this.openedIn = journaled.bootId
        return
      case 'closed':
        this.openedIn = null
        return
      default:
        return
    }
  }

  #flipStep(step: FlipStep, app: string, epoch: number): void {
    if (step === 'revert') this.#revert(app)
    if (step === 'mark') this.#mark(app, epoch)
    else this.#flips.delete(app)
  }

  #mark(app: string, epoch: number): void {
    const instances = [...this.#instances.values()]
      .filter(({ instance }) => instance.app === app)
      .map(({ instance, kv, state, turns, move }) => ({ instance, kv: new Map(kv), state, turns, move }))
    this.#flips.set(app, { epoch, turns: 0, instances })
  }

  /** What was handled stays handled. */
  #revert(app: string): void {
    const flip = this.#flips.get(app)
    if (!flip) return
    const held = new Map(flip.instances.map((entry) => [instanceName(entry.instance), entry]))
    for (const [name, image] of this.#instances) {
      if (image.instance.app !== app) continue
      const { kv, state, turns, move } = held.get(name) ?? { kv: new Map(), state: null, turns: 0, move: 0 }
      // What came from elsewhere since has nothing here to go back to.
      if (move !== image.move) continue
      this.#instances.set(name, { ...image, kv: new Map(kv), state, turns })
      this.#changed.add(name)
    }
  }

  #moveIn({ instance, move, turns, kept: bytes }: Extract<JournalRecord, { kind: 'moved-in' }>): void {
    const { state, kv, handled, calls } = kept.decode(bytes)
    const name = instanceName(instance)
    const own = toHex(this.incarnation)
    const sources = new Map(handled.map(({ source, number }) => [toHex(source), number]))
    // What this node's own modules have told it stays told; of the others' inputs, those count that it has handled where it was.
    const ownBefore = this.#instances.get(name)?.handled.get(own) ?? 0
    if (ownBefore > 0) sources.set(own, Math.max(ownBefore, sources.get(own) ?? 0))
    this.#instances.set(name, {
      instance,
      kv: new Map(kv.map(({ key, value }) => [key, value.slice()])),
      state: state && { release: state.release, bytes: state.bytes.slice() },
      turns,
      move,
      handled: sources,
      calls: new BegunCalls(calls),
    })
    this.#changed.add(name)
  }

  #applyTurn(turn: JournaledTurn, first: number): void {
    const { record, targets } = turn
    const flip = this.#flips.get(record.instance.app)
    if (flip && record.epoch >= flip.epoch) flip.turns++
    const keeps = record.kv.length > 0 || record.state !== null
    if (keeps) this.#changed.add(instanceName(record.instance))
    const known = this.#instances.get(instanceName(record.instance))
    if (known) known.turns++
    if (record.input || keeps) {
      const image = this.#instance(record.instance)
      for (const { key, value } of record.kv) {
        if (value === null) image.kv.delete(key)
        else image.kv.set(key, value.slice())
      }
      if (record.state) {
        image.state = { release: record.state.release, bytes: record.state.bytes.slice() }
        image.turns = 0
      }
      if (record.input) this.#handle(image, record.input)
    }
    const firstMessage = first + messagesAfter(turn)
    for (const [index, { topic, payload, atMs }] of record.messages.entries()) {
      const to = targets[index] ?? []
      if (to.length === 0) continue
      const number = firstMessage + index
      this.#pending.set(number, { number, from: record.instance, topic, payload: payload.slice(), atMs, targets: to })
    }
  }

  #instance(instance: InstanceKey): InstanceImage {
    const name = instanceName(instance)
    const known = this.#instances.get(name)
    if (known) return known
    const none = { kv: new Map(), state: null, turns: 0, move: 0, handled: new Map(), calls: new BegunCalls() }
    const image: InstanceImage = { instance, ...none }
    this.#instances.set(name, image)
    return image
  }

  #handle(image: InstanceImage, input: InputId): void {
    const source = toHex(input.source)
    image.handled.set(source, Math.max(input.number, image.handled.get(source) ?? 0))
    if (!bytesEqual(input.source, this.incarnation)) return
    const name = instanceName(image.instance)
    this.#withdraw(input.number, (target) => instanceName(target) === name)
  }

  #withdraw(number: number, gone: (target: InstanceKey) => boolean): void {
    const message = this.#pending.get(number)
    if (!message) return
    const targets = message.targets.filter((target) => !gone(target))
    if (targets.length === 0) this.#pending.delete(number)
    else this.#pending.set(number, { ...message, targets })
  }

  /** The same for a journal with another incarnation, and the number that its first entry gets: messages that wait have the numbers before. */
  renewed(incarnation: Uint8Array): { image: Image; next: number } {
    const image = new Image(incarnation)
    image.openedIn = this.openedIn
    for (const [name, instance] of this.#instances) {
      image.#instances.set(name, instance)
      image.#changed.add(name)
    }
    for (const [app, flip] of this.#flips) image.#flips.set(app, flip)
    let next = 1
    for (const pending of this.pending()) {
      image.#pending.set(next, { ...pending, number: next })
      next++
    }
    return { image, next }
  }

  /** As the bytes of a checkpoint: a checksum, then CBOR. */
  encode(covers: number, next: number): Uint8Array<ArrayBuffer> {
    const instances = [...this.#instances.values()].map(({ handled, calls, ...held }) => ({
      ...toContent(held),
      handled: [...handled].map(([source, number]) => ({ source, number })),
      calls: calls.toBytes(),
    }))
    const flips = [...this.#flips].map(([app, flip]) => ({ ...flip, app, instances: flip.instances.map(toContent) }))
    const { incarnation, acknowledged, openedIn } = this
    return encodeCheckpoint({
      incarnation,
      covers,
      next,
      acknowledged,
      openedIn,
      instances,
      pending: this.pending(),
      flips: flips.length > 0 ? flips : null,
    })
  }

  /** Throws `journal-damaged` where the bytes are no checkpoint. */
  static decode(framed: Uint8Array): { image: Image; covers: number; next: number } {
    const decoded = decodeCheckpoint(framed)
    const image = new Image(decoded.incarnation)
    image.acknowledged = decoded.acknowledged
    image.openedIn = decoded.openedIn
    for (const { handled, calls, ...content } of decoded.instances) {
      const held = fromContent(content)
      image.#instances.set(instanceName(held.instance), {
        ...held,
        handled: new Map(handled.map(({ source, number }) => [source, number])),
        calls: new BegunCalls(calls),
      })
    }
    for (const [name, { kv, state }] of image.#instances) if (kv.size > 0 || state !== null) image.#changed.add(name)
    for (const pending of decoded.pending) image.#pending.set(pending.number, pending)
    for (const { app, epoch, turns, instances } of decoded.flips ?? []) {
      image.#flips.set(app, { epoch, turns, instances: instances.map(fromContent) })
    }
    return { image, covers: decoded.covers, next: decoded.next }
  }
}
