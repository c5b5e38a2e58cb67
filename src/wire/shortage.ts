/** That a module has no memory left, as the event of its trap says it. */
export interface Shortage {
  readonly module: string
  /** All that it may have. */
  readonly limitBytes: number
}

const clause =
  /module "([a-z0-9-]{1,40})" has (?:taken all its memory|less than \d{1,12} bytes left of its memory) of (\d{1,12}) bytes/

/** What the text of a trap says of memory; null where it says nothing, so that the turn would have trapped anywhere. */
export function shortageIn(text: string): Shortage | null {
  const found = clause.exec(text)
  return found === null ? null : { module: found[1]!, limitBytes: Number(found[2]) }
}
