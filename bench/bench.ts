/** What a benchmark found (`npm run bench -- NAME --json` prints it as its last line). Units stand in the figures' names. */
export interface BenchResult {
  readonly bench: string
  readonly sizes: Readonly<Record<string, number | string>>
  /** A figure that could not be measured is null, and `missing` says why. */
  readonly figures: Readonly<Record<string, number | null>>
  /** What it was held against, with versions. */
  readonly peers: Readonly<Record<string, string>>
  readonly missing?: Readonly<Record<string, string>>
}

export interface BenchOptions {
  /** Ends within 45 seconds on two cores and still measures the real thing, smaller. */
  readonly quick: boolean
  /** How many nodes, where a benchmark has nodes to count; null for its own choice. */
  readonly nodes: number | null
  /** A file that lists pairs of modules, where a benchmark has such; null for its own. */
  readonly pairs: string | null
}

/** What a file of this folder exports. */
export interface Bench {
  run(options: BenchOptions): Promise<BenchResult>
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** The value below which `share` of the samples lie, by linear interpolation. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)]
  const high = sorted[Math.ceil(at)]
  if (low === undefined || high === undefined) throw new RangeError('no samples')
  return low + (high - low) * (at - Math.floor(at))
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}
