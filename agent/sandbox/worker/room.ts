/** What is known of an instance's memory. */
export interface InstanceMemory {
  readonly now: WebAssembly.Memory
  /** What it began with. */
  readonly initialBytes: number
  /** Its `cabi_realloc`. */
  readonly realloc: WebAssembly.ExportValue | undefined
}

const pageBytes = 65_536
/** Who can't get an eighth of its memory in one piece has none left. */
const leastShare = 8

/**
 * Whether an instance that trapped has memory left, in words; null where it has, or where that can't be known. One that grows has taken all that it may; one that lives in an arena of its own is asked for some
 * of it where `mayAsk`, as its code has trapped: it is thrown away for that, and nobody minds what it does then.
 */
export function shortage(
  { now, initialBytes, realloc }: InstanceMemory,
  limitBytes: number,
  mayAsk: boolean,
): string | null {
  const bytes = now.buffer.byteLength
  const full = bytes + pageBytes > limitBytes
  if (bytes > initialBytes) return full ? `has taken all its memory of ${limitBytes} bytes` : null
  const wanted = Math.floor(limitBytes / leastShare)
  if (!full || !mayAsk || typeof realloc !== 'function' || wanted === 0) return null
  try {
    const pointer = (realloc as (...args: number[]) => unknown)(0, 0, 8, wanted)
    if (pointer !== 0 && pointer !== -1) return null
  } catch (thrown) {
    if (!(thrown instanceof WebAssembly.RuntimeError)) return null
  }
  return `has less than ${wanted} bytes left of its memory of ${limitBytes} bytes`
}
