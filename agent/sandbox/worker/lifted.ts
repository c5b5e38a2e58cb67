/** A function of a module, bound: it takes and returns values of JavaScript. */
export type LiftedFunction = (...args: unknown[]) => unknown

/** A module's exported functions, by interface and name. */
export type Exports = ReadonlyMap<string, ReadonlyMap<string, LiftedFunction>>
