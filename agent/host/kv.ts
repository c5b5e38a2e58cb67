import { err, type HostContext, type HostFunctions, ok } from './host.ts'

const maxKeyBytes = 128
/** What an entry costs beside its key and its value: many tiny ones must not take more memory than their quota says. */
const entryBytes = 32

const encoder = new TextEncoder()

/**
 * `hypha:host/kv`. `content` is what was journaled; it is changed in place, since after a trap the whole worker is made anew and reads
 * the journal's content again.
 */
export function kvFunctions(context: HostContext, content: Map<string, Uint8Array>): HostFunctions {
  const { effects, limits } = context
  // Counted at the first change: what an instance remembers comes after its functions are made.
  let counted: number | null = null
  const usedBytes = (): number => {
    counted ??= [...content].reduce((sum, [key, value]) => sum + sizeOf(key, value), 0)
    return counted
  }
  return {
    get: (key: string) => content.get(key),
    set(key: string, value: Uint8Array) {
      const keyBytes = encoder.encode(key).length
      if (keyBytes < 1 || keyBytes > maxKeyBytes) return err('key-too-long')
      const before = content.get(key)
      const change = before === undefined ? keyBytes + value.length + entryBytes : value.length - before.length
      const used = usedBytes()
      if (change > 0 && used + change > limits.kvBytes) return err('quota')
      counted = used + change
      content.set(key, value)
      effects.kv.set(key, value)
      return ok()
    },
    delete(key: string) {
      const before = content.get(key)
      if (before === undefined) return
      counted = usedBytes() - sizeOf(key, before)
      content.delete(key)
      effects.kv.set(key, null)
    },
    keys: (prefix: string) => [...content.keys()].filter((key) => key.startsWith(prefix)).sort(byUtf8),
  }
}

const sizeOf = (key: string, value: Uint8Array): number => encoder.encode(key).length + value.length + entryBytes

/** The order of the UTF-8 bytes, which is that of the code points; UTF-16's differs for surrogates. */
function byUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)
