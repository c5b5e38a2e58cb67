import { bytesEqual, toUtf8 } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import {
  checkpoint,
  checkpointAck,
  checkpointPiece,
  type Kept,
  kept as keptMessage,
  maxKeptBytes,
  maxPieceBytes,
} from '@hypha/core/wire/messages/checkpoint.ts'
import type { InstanceKey, LeavingInstance, NodeEvent } from '../turns.ts'
import { Outbox } from './outbox.ts'

/** Without an answer for so long, a checkpoint is sent again. */
const answerMs = 10_000

/** A checkpoint of so many bytes takes one turn of `everyMs`; larger ones are sent accordingly less often. */
const bytesPerTurn = 65_536

interface WaitingMessage {
  readonly number: number
  readonly from: InstanceKey
  readonly topic: string
  readonly payload: Uint8Array
  readonly targets: readonly InstanceKey[]
}

/** The part of the journal that checkpoints are made from. */
export interface KeptSource {
  readonly incarnation: Uint8Array
  kept(instance: InstanceKey): { readonly kept: Kept; readonly turns: number; readonly number: number }
  takeChanged(): InstanceKey[]
  move(instance: InstanceKey): number
  pendingMessages(): WaitingMessage[]
  forgetInstance(instance: InstanceKey): void
  sync(): Promise<void>
}

export interface CheckpointPorts {
  readonly journal: KeptSource
  readonly files: Files
  readonly clock: Clock
  readonly sha256: Crypto['sha256']
  readonly link: {
    readonly state: 'online' | 'offline'
    publish(topic: string, payload: Uint8Array, options: { qos: 1 }): Promise<void>
  }
  /** `n/<node>/up/checkpoint`. */
  readonly topic: string
  /** The least time between two checkpoints of one instance that runs; 0 for none of these. */
  readonly everyMs: number
  /** Whether an instance could be elsewhere one day: of one that is bound to this node none are sent. */
  mayMove(instance: InstanceKey): boolean
  /** When the next tick of an instance is due that has stopped here, by the monotonic clock: asked once, as it leaves. */
  timer(instance: InstanceKey): { readonly dueAt: number; readonly periodMs: number } | null
  /** The gateway's clock, ms since 1970; null while nothing is known of it. */
  gatewayMs(): number | null
  event(event: NodeEvent): void
  onProblem(error: HyphaError): void
}

/** One on its way. */
interface Sending {
  readonly digest: Uint8Array
  /** Null for a final one. */
  readonly instance: InstanceKey | null
}

/**
 * What instances keep goes to the gateway: now and then while they run, where it has changed, and at once when they leave this node. One is on its way at a time, and those of
 * instances that have left come first. [P 13.2, P 13.3]
 */
export class Checkpoints {
  readonly #ports: CheckpointPorts
  readonly #outbox: Outbox
  /** By name: what has changed since it was sent. */
  readonly #changed = new Map<string, InstanceKey>()
  /** By name: before this, by the monotonic clock, nothing more of it is sent. */
  readonly #notBefore = new Map<string, number>()
  readonly #tooLarge = new Set<string>()
  #sending: Sending | null = null
  #cancelAnswer = (): void => undefined
  #cancelTick = (): void => undefined
  #closed = false

  constructor(ports: CheckpointPorts) {
    this.#ports = ports
    this.#outbox = new Outbox(ports.files, ports.sha256)
    if (ports.everyMs > 0) this.#tick()
  }

  close(): void {
    this.#closed = true
    this.#cancelTick()
    this.#cancelAnswer()
  }

  /** The link has changed: what was on its way may be lost. */
  review(): void {
    this.#giveBack()
    this.#pump()
  }

  /**
   * Instances have left this node: what they keep is written down for the gateway, and then forgotten here; also that of one which has left nothing behind, or never began, for another node waits for the
   * word. Resolves when that is durable. Throws `disk-full`: then they are still remembered, and it is to be tried again. `stoppedAgoMs`: since when they run no more.
   */
  async letGo(instances: readonly LeavingInstance[], stoppedAgoMs: number): Promise<void> {
    const { journal } = this.#ports
    await journal.sync()
    for (const instance of instances) {
      const { number, bytes } = this.#encode(instance, { stoppedAgoMs, move: instance.move })
      await this.#outbox.add(number, bytes)
      journal.forgetInstance(instance)
      this.#changed.delete(instanceName(instance))
    }
    await journal.sync()
    this.#pump()
  }

  /** What came on `n/<node>/down/checkpoint`. Throws `message-malformed`. */
  onAck(bytes: Uint8Array): void {
    const { digest } = checkpointAck.decode(bytes)
    this.#outbox.remove(digest)
    if (this.#sending === null || !bytesEqual(this.#sending.digest, digest)) return
    this.#cancelAnswer()
    this.#sending = null
    this.#pump()
  }

  #tick(): void {
    const { clock, everyMs } = this.#ports
    this.#cancelTick = clock.after(everyMs, () => {
      this.#pump()
      this.#tick()
    })
  }

  #pump(): void {
    const { link, sha256 } = this.#ports
    if (this.#closed || this.#sending !== null || link.state !== 'online') return
    const final = this.#outbox.first()
    if (final !== null) return void this.#send(final, { digest: sha256(final), instance: null })
    const instance = this.#due()
    if (instance === null) return
    this.#changed.delete(instanceName(instance))
    const { bytes, fits } = this.#encode(instance, null)
    if (fits) void this.#send(bytes, { digest: sha256(bytes), instance })
    else this.#pump()
  }

  #due(): InstanceKey | null {
    const { journal, clock, everyMs, mayMove } = this.#ports
    if (everyMs <= 0) return null
    for (const instance of journal.takeChanged()) {
      if (mayMove(instance)) this.#changed.set(instanceName(instance), instance)
    }
    const now = clock.monotonic()
    for (const [name, instance] of this.#changed) if ((this.#notBefore.get(name) ?? 0) <= now) return instance
    return null
  }

  /** `left`: null for one that runs. */
  #encode(
    instance: InstanceKey,
    left: { readonly stoppedAgoMs: number; readonly move: number } | null,
  ): { number: number; bytes: Uint8Array; fits: boolean } {
    const { journal, gatewayMs, clock, everyMs } = this.#ports
    const { kept, turns, number } = journal.kept(instance)
    const { app, module, home } = instance
    const name = instanceName(instance)
    const move = journal.move(instance)
    const unbegun = left !== null && left.move > move
    const nowMs = left === null ? null : gatewayMs()
    const timer = nowMs === null || unbegun ? null : this.#timerOf(instance, nowMs)
    const encoded = unbegun ? null : this.#encodeKept({ ...kept, timer }, instance)
    const turnsOfTime = Math.ceil(Math.max(1, encoded?.length ?? 0) / bytesPerTurn)
    this.#notBefore.set(name, clock.monotonic() + turnsOfTime * everyMs)
    const final = left !== null
    const bytes = checkpoint.encode({
      incarnation: journal.incarnation,
      number: Math.max(0, number),
      final,
      turns,
      stoppedMs: nowMs === null || !final ? null : Math.max(0, Math.round(nowMs - left.stoppedAgoMs)),
      kept: encoded,
      waiting: final ? this.#waitingFor(instance) : [],
      app,
      module,
      home,
      move: unbegun ? left.move : move,
      unbegun: unbegun || null,
    })
    return { number, bytes, fits: encoded !== null }
  }

  /** By the gateway's clock: the next node has another one of its own. */
  #timerOf(instance: InstanceKey, nowMs: number): Kept['timer'] {
    const timer = this.#ports.timer(instance)
    if (timer === null) return null
    const dueMs = Math.round(nowMs + timer.dueAt - this.#ports.clock.monotonic())
    return { dueMs: Math.max(0, dueMs), periodMs: timer.periodMs }
  }

  /** Null where it is more than may be sent. */
  #encodeKept(kept: Kept, instance: InstanceKey): Uint8Array | null {
    try {
      return keptMessage.encode(kept)
    } catch (thrown) {
      const { code, message } = asHyphaError(thrown)
      if (code !== 'bytes-too-long') throw thrown
      const name = instanceName(instance)
      const text = `${name} keeps more than can go with it to another node: ${message}`
      if (!this.#tooLarge.has(name)) this.#ports.event({ instance, code: 'checkpoint-too-large', text })
      this.#tooLarge.add(name)
      return null
    }
  }

  /** What this node's own modules have published for it: nobody else has it. */
  #waitingFor(instance: InstanceKey) {
    const name = instanceName(instance)
    const own = this.#ports.journal
      .pendingMessages()
      .filter(({ targets }) => targets.some((target) => instanceName(target) === name))
    let bytes = 0
    const fitting = own.filter(({ topic, payload }, index) => {
      bytes += payload.length + toUtf8(topic).length + 100
      return bytes <= maxKeptBytes - 1_024 && index < 10_000
    })
    if (fitting.length < own.length) {
      const text = `${own.length - fitting.length} messages of this node that ${name} has not handled are more than can go with it, and are lost`
      this.#ports.event({ instance, code: 'inputs-lost', text })
    }
    return fitting.map(({ number, from, topic, payload }) => ({ number, topic, payload, publisher: from.home }))
  }

  async #send(bytes: Uint8Array, sending: Sending): Promise<void> {
    const { link, topic, clock, journal } = this.#ports
    this.#sending = sending
    try {
      // Nothing is shown that a power cut could still take back.
      await journal.sync()
      for (let offset = 0; offset < bytes.length; offset += maxPieceBytes) {
        const piece = { digest: sending.digest, size: bytes.length, offset }
        const message = checkpointPiece.encode({ ...piece, bytes: bytes.subarray(offset, offset + maxPieceBytes) })
        await link.publish(topic, message, { qos: 1 })
        if (this.#sending !== sending) return
      }
      this.#cancelAnswer = clock.after(answerMs, () => this.review())
    } catch (thrown) {
      // Cut in between: it goes with the next connection. Whatever else it is passes as well.
      const problem = asHyphaError(thrown)
      if (problem.code !== 'link-offline') this.#ports.onProblem(problem)
      if (this.#sending !== sending) return
      this.#giveBack()
      this.#cancelAnswer = clock.after(answerMs, () => this.#pump())
    }
  }

  /** What was on its way is to be sent again. */
  #giveBack(): void {
    this.#cancelAnswer()
    const instance = this.#sending?.instance ?? null
    if (instance !== null) this.#changed.set(instanceName(instance), instance)
    this.#sending = null
  }
}
