import { HyphaError } from '@hypha/core/errors.ts'

/** Something that reads outside bytes. */
export interface Target {
  readonly name: string
  /** What is fed to what, in a few words. */
  readonly about: string
  /** Longer inputs are not made. */
  readonly maxBytes?: number
  /** Whether inputs are texts: mutations then stay within characters that mean something. */
  readonly words?: readonly string[]
  /** Executions of the short test in the suite. */
  readonly short?: number
  prepare(): Prepared | Promise<Prepared>
}

export interface Prepared {
  /** Valid inputs to start from. */
  readonly seeds: readonly Uint8Array[]
  /** Feeds one input. Answers what became of it, in words: inputs with a new outcome are kept and built upon. Throws for a find. */
  run(input: Uint8Array): string | Promise<string>
  close?(): void | Promise<void>
}

/**
 * Runs a reader. That it refuses is an outcome, as long as it is an error of ours that says that somebody else is to mend it; anything else that it throws is a find.
 */
export function reads<T>(read: () => T): { readonly value: T } | { readonly refused: string } {
  try {
    return { value: read() }
  } catch (error) {
    return { refused: refusal(error) }
  }
}

/** The kind of a refusal: its code, and its words without what differs from input to input. Throws what is none. */
export function refusal(error: unknown): string {
  if (!(error instanceof HyphaError) || error.act === 'hypha') throw error
  return `${error.code}: ${error.message.replace(/"[^"]*"|\d+|[0-9a-f]{8,}/g, '_').slice(0, 60)}`
}

/** What became of it where reading it is all there is. */
export function outcome(result: { readonly value: unknown } | { readonly refused: string }): string {
  return 'refused' in result ? result.refused : 'read'
}

export function insist(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
