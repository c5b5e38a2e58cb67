/**
 * Every error that Hypha tells a person or a peer, in one table. A code is never reused for another meaning, and
 * `docs/errors.md` is this table (a test keeps them equal).
 *
 * `act` says who can mend it; the command line turns it into its exit code.
 */
export type Actor =
  /** The caller mends the input: a wrong argument, a wrong file. Exit code 2. */
  | 'caller'
  /** The author of a module or an app mends the source. Exit code 3. */
  | 'author'
  /** The operator of the fleet decides or repairs. Exit code 4. */
  | 'operator'
  /** It passes: try again. Exit code 5. */
  | 'later'
  /** A peer broke the protocol or the trust rules: nothing for the reader to mend, the message is dropped. Exit code 6. */
  | 'peer'
  /** A defect of Hypha itself. Exit code 1. */
  | 'hypha'

interface ErrorEntry {
  readonly act: Actor
  /** What the code means, in one sentence. */
  readonly means: string
  /** What to do about it, in one sentence. */
  readonly mend: string
}

export const errorTable = {
  // Bytes and messages
  'bytes-truncated': {
    act: 'peer',
    means: 'The bytes end before the value that they announce.',
    mend: 'Transfer or build the file again.',
  },
  'bytes-malformed': {
    act: 'peer',
    means: 'The bytes are not of the form that they should have.',
    mend: 'Check that the file or the message is of the kind that was named.',
  },
  'bytes-too-long': {
    act: 'peer',
    means: 'A value is over its cap.',
    mend: 'Make it smaller; the caps stand in docs/protocol.md.',
  },
  'message-malformed': {
    act: 'peer',
    means: 'A message lacks a field, or a field is of another type or outside its range.',
    mend: 'Bring both sides to versions that speak the same protocol.',
  },
  // Names
  'id-invalid': {
    act: 'caller',
    means: 'A name is not made of 1 to 40 characters from a-z, 0-9 and the hyphen, beginning with a letter or digit.',
    mend: 'Choose another name.',
  },
  'topic-invalid': {
    act: 'caller',
    means: 'An MQTT topic or filter is not well-formed or too long.',
    mend: 'Use levels without +, # or NUL in a topic; + alone in a level and # last in a filter.',
  },
  internal: {
    act: 'hypha',
    means: 'Something happened that Hypha holds to be impossible.',
    mend: 'Report it with the whole message.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

export const exitCodes: Readonly<Record<Actor, number>> = {
  hypha: 1,
  caller: 2,
  author: 3,
  operator: 4,
  later: 5,
  peer: 6,
}

export interface ErrorDetails {
  /** Where: a file and line, a byte offset, a field's path, a node, a module. */
  readonly where?: string
  /** What to do, where more can be said than the table's general advice. */
  readonly mend?: string
  readonly cause?: unknown
}

/** The form of an error in JSON: `--json` output, the HTTP API, and reports of nodes. */
export interface ErrorJson {
  readonly code: ErrorCode
  readonly message: string
  readonly where?: string
  readonly mend: string
}

/** The one error class. `message` says what was wrong in this case; the code's entry says what that kind means. */
export class HyphaError extends Error {
  override readonly name = 'HyphaError'
  readonly code: ErrorCode
  readonly where: string | undefined
  readonly mend: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.where = details.where
    this.mend = details.mend ?? errorTable[code].mend
  }

  get act(): Actor {
    return errorTable[this.code].act
  }

  toJSON(): ErrorJson {
    const { code, message, where, mend } = this
    return where === undefined ? { code, message, mend } : { code, message, where, mend }
  }
}

/** Any thrown value as a `HyphaError`; what is none becomes `internal` with the value as its cause. */
export function asHyphaError(thrown: unknown): HyphaError {
  if (thrown instanceof HyphaError) return thrown
  return new HyphaError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}
