import type { SimulatedNode } from '../reconnect/messages.ts'

/** How wrong a light node's clock is, and how slow its link. */
export interface Shape {
  /** Its clock is ahead of the machine's by so much, and runs so much too fast. */
  readonly aheadMs: number
  readonly ppm: number
  /** On the way to the gateway and back each message takes this, and at most `jitterMs` more. */
  readonly thereMs: number
  readonly backMs: number
  readonly jitterMs: number
}

/** From the bench to a process of light nodes, once. */
export interface Begin {
  readonly fleet: string
  readonly host: string
  readonly port: number
  readonly ca: string
  /** The first root metadata's envelope, in base64. */
  readonly root: string
  readonly nodes: readonly (SimulatedNode & { readonly shape: Shape })[]
}

/** One node runs another release. Times in ms by the machine's monotonic clock, which all processes share, unless they say otherwise. */
export interface Activation {
  readonly node: string
  readonly app: string
  readonly epoch: number
  readonly at: number
  /** Of the commit that it was by; null where the directive alone said so. */
  readonly commit: {
    /** When it came over the link. */
    readonly cameAt: number
    /** By the gateway's clock. */
    readonly instantMs: number
    /** When it was signed, by the gateway's clock. */
    readonly issuedMs: number
    /** The gateway's clock at `at` as the node estimated it, and the bound that it gives. */
    readonly estimatedMs: number
    readonly errorMs: number
    readonly rttMs: number
    /** It came to know of it after the instant, by its estimate. */
    readonly late: boolean
  } | null
}

/** From a process of light nodes. */
export interface Told {
  readonly online: number
  readonly problems: readonly string[]
  readonly activations: readonly Activation[]
}

export const tellEveryMs = 500

/** The machine's monotonic clock. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6
