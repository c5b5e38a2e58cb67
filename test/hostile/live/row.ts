/** Where an attack ends: on the device, on a board at its serial port, at a node that is about to join, at the gateway's API, at the broker, or at either end of an uplink. */
export type Place = 'node' | 'board' | 'joining' | 'gateway' | 'broker' | 'uplink'

/**
 * One attack against what runs. `run` carries it out and answers with the code of the refusal, or null where it was let through; what it answers must be `code`.
 * Rows of one lane run one after the other, lanes side by side.
 */
export interface Row<World> {
  /** Of all rows: `goal/variant`. */
  readonly name: string
  /** What was sent, in at most 52 characters. */
  readonly sent: string
  readonly at: Place
  /** A code of `src/errors.ts`, or what MQTT and TLS have in its place: see `words`. */
  readonly code: string
  /** Threats of RFC 9124, section 4.2, that it stands for. */
  readonly threats?: readonly string[]
  run(world: World): Promise<string | null>
}

/** How long a row waits for what may never come. What must be refused is waited for as long as a machine under load may take; what is let through is not. */
export const patience = { refused: 30_000, letThrough: 4_000 } as const

/** Refusals that have no code of Hypha's: MQTT 3.1.1 and TLS have their own words, and some attacks are answered by doing nothing. */
export const words = {
  /** The connection ended before CONNACK: the certificate was not accepted. */
  tls: 'tls-refused',
  /** CONNACK with return code 2: the client id is not the certificate's name. */
  identifier: 'connack-2',
  /** CONNACK with return code 5: not authorised. */
  unauthorised: 'connack-5',
  /** SUBACK with 0x80. */
  suback: 'suback-128',
  /** A PUBLISH was acknowledged and reached nobody. */
  dropped: 'dropped',
  /** The connection was ended. */
  closed: 'closed',
  /** What was sent changed nothing. */
  passedOver: 'passed-over',
} as const

/** The attack's goal: what stands before the slash. */
export const goalOf = (row: Pick<Row<never>, 'name'>): string => row.name.slice(0, row.name.indexOf('/'))

export interface Result {
  readonly name: string
  readonly sent: string
  readonly at: Place
  readonly expected: string
  /** Null where it was let through. */
  readonly code: string | null
  readonly refused: boolean
  readonly ms: number
  /** Why the row could not be carried out. */
  readonly fault: string | null
}
