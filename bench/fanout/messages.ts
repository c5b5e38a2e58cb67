/** What the processes of this benchmark tell one another. Instants are of the machine's monotonic clock, in ms. */

export const fleet = 'fanout'
export const topic = `hypha/${fleet}/b/commit/app`

export interface Credentials {
  readonly key: string
  readonly certificate: string
}

/** First to a server. */
export interface Serve {
  /** `raw` writes the same bytes to bare sockets. */
  readonly kind: 'hypha' | 'raw'
  /** Without, there is no TLS. */
  readonly tls: (Credentials & { readonly ca: string }) | null
  readonly folder: string
}

/** Then, for each message: its number stands in the payload's first four bytes. */
export interface Publish {
  readonly number: number
  readonly qos: 0 | 1
  readonly bytes: number
}

export type FromServer =
  | { readonly port: number }
  /** CPU from the publish until nothing more came of it. */
  | { readonly number: number; readonly begunMs: number; readonly cpuUs: number }

export interface Node {
  readonly id: string
  /** Null without TLS. */
  readonly tls: Credentials | null
}

/** First to a process of nodes. */
export interface Begin {
  readonly port: number
  readonly address: string
  readonly ca: string | null
  /** Whether they speak MQTT from the start, or only count what is written to them. */
  readonly mqtt: boolean
  readonly nodes: readonly Node[]
}

/** Then, for each message. */
export interface Expect {
  readonly number: number
  /** So many of the last nodes are cut when the first node has it, and connect again. */
  readonly cut: number
}

export type FromNodes =
  | { readonly ready: number }
  | { readonly number: number; readonly lastMs: number; readonly cutWithoutIt: number }

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6
