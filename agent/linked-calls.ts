// The words of calls over links that the agent's stages share.

/** Names an instance of an app. */
export interface End {
  readonly module: string
  /** The device that it belongs to; null for a shared one. */
  readonly home: string | null
}

/** What a call asks of its callee. */
export interface LinkedCall {
  /** 16 bytes: the same whenever the same call is made again. [P 11.2] */
  readonly id: Uint8Array
  /** As the caller imports it. */
  readonly interface: string
  readonly func: string
  /** Of the function's type, as the caller was built against it. [P 11.8] */
  readonly digest: Uint8Array
  readonly args: Uint8Array
  /** The device that the caller's turn belongs to. */
  readonly home: string | null
  /** The cells that wait for it, the first caller's first. [P 11.5] */
  readonly path: readonly string[]
}

export type CallOutcome =
  | { readonly kind: 'ok'; readonly result: Uint8Array }
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly message: string
      /** Whether the callee has done something of it. */
      readonly ran: 'no' | 'yes' | 'unknown'
    }

/** A call that an instance of this node makes. */
export interface OutgoingCall extends LinkedCall {
  readonly app: string
  readonly caller: End
  /** An instance, or of a device-scoped module the instance of the device that is meant. */
  readonly callee: { readonly node: string; readonly end: End } | { readonly node: null; readonly module: string }
  /** Those of the app's modules that have cells of their own: a cell's name follows from it. */
  readonly isolated: ReadonlySet<string>
  /** Whether it is tried again where that can help. */
  readonly retry: boolean
  /** How long one try may take, and all together. */
  readonly tryMs: number
  readonly leftMs: number
}

export const failed = (
  code: string,
  message: string,
  ran: 'no' | 'yes' | 'unknown' = 'no',
): Extract<CallOutcome, { kind: 'failed' }> => ({ kind: 'failed', code, message: message.slice(0, 1_000), ran })

/** The name of a cell, by which calls know who waits for them. */
export const cellName = (node: string, app: string, ownModule: string | null): string =>
  ownModule === null ? `${node}/${app}` : `${node}/${app}/${ownModule}`

/** How an instance is named in messages about calls: without the app, which is the same on both sides. */
export const endName = ({ module, home }: End): string => (home === null ? module : `${module}@${home}`)
