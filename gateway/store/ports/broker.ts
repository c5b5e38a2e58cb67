// What the broker asks of a database, so that retained messages and sessions survive a restart.

export interface StoredMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
}

export interface StoredSubscription {
  readonly client: string
  readonly filter: string
  readonly qos: 0 | 1 | 2
}

/** A message that waits for a client with a persistent session (clean session = 0), or for its acknowledgement. */
export interface StoredDelivery extends StoredMessage {
  /** Rises; the order of delivery. */
  readonly id: number
  readonly client: string
  /** Set once a QoS 2 message was received and only its release is outstanding. */
  readonly releasing: number | null
}

/** A QoS 1 message that waits for the acknowledgements of many, kept once. */
export interface StoredBroadcast {
  /** Of the same row of numbers as those of deliveries. */
  readonly id: number
  readonly topic: string
  readonly payload: Uint8Array
  readonly clients: Iterable<string>
}

export interface StoredWill extends StoredMessage {
  readonly client: string
  readonly retain: boolean
}

export type BrokerWrite =
  | ({ readonly op: 'retain' } & StoredMessage)
  | { readonly op: 'unretain'; readonly topic: string }
  | ({ readonly op: 'subscribe' } & StoredSubscription)
  | { readonly op: 'unsubscribe'; readonly client: string; readonly filter: string }
  /** Replaces the delivery with this id. */
  | ({ readonly op: 'enqueue' } & StoredDelivery)
  | { readonly op: 'dequeue'; readonly id: number }
  /** `clients` are those that wait when it is written: they may change before. */
  | {
      readonly op: 'broadcast'
      readonly id: number
      readonly topic: string
      readonly payload: Uint8Array
      readonly clients: Iterable<string>
    }
  /** Who waits for it yet; it goes when nobody does. */
  | { readonly op: 'settle'; readonly id: number; readonly clients: Iterable<string> }
  | ({ readonly op: 'will' } & StoredWill)
  | { readonly op: 'unwill'; readonly client: string }

export interface BrokerContents {
  readonly retained: Iterable<StoredMessage>
  readonly subscriptions: Iterable<StoredSubscription>
  /** In the order of their ids. */
  readonly deliveries: Iterable<StoredDelivery>
  readonly broadcasts: Iterable<StoredBroadcast>
  readonly wills: Iterable<StoredWill>
}

export interface BrokerStore {
  /** Everything, once, at start. */
  load(): BrokerContents | Promise<BrokerContents>
  /** All of the batch, in its order, or nothing of it; durable on return. */
  write(batch: readonly BrokerWrite[]): void | Promise<void>
}
