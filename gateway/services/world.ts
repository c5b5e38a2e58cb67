import { fromUtf8, toUtf8 } from '@hypha/core/bytes/text.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Publish } from '../distribute/directive-packet.ts'
import type { NewMessage, NewValue } from '../ingest/ingest.ts'

/** A metric's topic carries its newest value at most so often; whoever wants every one asks the HTTP API. */
const valueEveryMs = 200

/** What the world sees over MQTT: last values as plain JSON, retained, and the messages of modules as they are. */
export class World {
  readonly #topics: FleetTopics
  readonly #publish: Publish
  readonly #clock: Pick<Clock, 'after'>
  readonly #onProblem: (error: unknown) => void
  readonly #waiting = new Map<string, NewValue>()
  #cancel: (() => void) | null = null

  constructor(ports: {
    topics: FleetTopics
    publish: Publish
    clock: Pick<Clock, 'after'>
    onProblem: (error: unknown) => void
  }) {
    this.#topics = ports.topics
    this.#publish = ports.publish
    this.#clock = ports.clock
    this.#onProblem = ports.onProblem
  }

  values(values: readonly NewValue[]): void {
    for (const value of values) {
      const { home, app, module, metric } = value
      this.#waiting.set(this.#topics.value(home, app, module, metric), value)
    }
    if (this.#cancel !== null) return
    this.#flush()
    this.#cancel = this.#clock.after(valueEveryMs, () => {
      this.#cancel = null
      if (this.#waiting.size > 0) this.values([])
    })
  }

  messages(messages: readonly NewMessage[]): void {
    for (const { app, topic, payload } of messages) this.#send(this.#topics.message(app, topic), payload, false)
  }

  /** What waits to be shown and is of something that was removed is shown no more. */
  forget(isGone: (value: NewValue) => boolean): void {
    for (const [topic, value] of this.#waiting) if (isGone(value)) this.#waiting.delete(topic)
  }

  close(): void {
    this.#cancel?.()
    this.#flush()
  }

  #flush(): void {
    for (const [topic, { value, at, node }] of this.#waiting) {
      // JSON knows neither NaN nor the infinities.
      this.#send(topic, toUtf8(JSON.stringify({ value: Number.isFinite(value) ? value : null, at, node })), true)
    }
    this.#waiting.clear()
  }

  #send(topic: string, payload: Uint8Array, retain: boolean): void {
    this.#publish(topic, payload, { retain, qos: retain ? 1 : 0 }).catch(this.#onProblem)
  }
}

/** Who emitted the value that a topic shows. */
export const nodeOf = (payload: Uint8Array): string => (JSON.parse(fromUtf8(payload)) as { node: string }).node
