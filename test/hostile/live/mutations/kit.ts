/** One place in the source: `find` stands in `file` exactly once. */
interface Cut {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A check, how to take it out, and the rows that then aren't refused as they should be any more: exactly these. */
export interface Mutation {
  readonly name: string
  readonly cuts: readonly Cut[]
  /** Names of rows, or the beginning of names with a star at the end. */
  readonly fails: readonly string[]
  /** Why no row fails where one might expect it: what else stands behind the check. Taking out both is a mutation of its own. */
  readonly backedBy?: string
}

/** One cut. */
export const one = (
  name: string,
  file: string,
  find: string,
  replace: string,
  ...fails: readonly string[]
): Mutation => ({
  name,
  cuts: [{ file, find, replace }],
  fails,
})

/** Takes out a check that throws where a condition holds. */
export const unless = (name: string, file: string, condition: string, ...fails: readonly string[]): Mutation =>
  one(name, file, `if (${condition})`, `if (false && (${condition}))`, ...fails)

/** Takes out a whole statement. */
export const without = (name: string, file: string, statement: string, ...fails: readonly string[]): Mutation =>
  one(name, file, statement, '', ...fails)
