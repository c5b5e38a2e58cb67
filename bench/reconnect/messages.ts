/** What one simulated node is told to be. */
export interface SimulatedNode {
  readonly id: string
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

/** From the bench to a process of simulated nodes. */
export interface Begin {
  readonly fleet: string
  readonly host: string
  readonly port: number
  readonly ca: string
  readonly nodes: readonly SimulatedNode[]
}

/** From there to the bench, at most every `tellEveryMs`. Handshakes are counted since the process began. */
export interface Tally {
  readonly online: number
  readonly full: number
  readonly resumed: number
  /** Connections that ended, or never came to be. */
  readonly failed: number
}

export const tellEveryMs = 50
