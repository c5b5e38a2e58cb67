import { decodeCbor, encodeCbor } from '../bytes/cbor.ts'
import { HyphaError } from '../errors.ts'

/**
 * A two-way mapping between a typed value and a CBOR item. A message is declared once, as a tree of these; its TypeScript
 * type follows from it, and what comes from outside is checked against it, caps first.
 */
export interface Codec<T> {
  /** The CBOR item of a value. */
  toItem(value: T): unknown
  /** The value of an item; throws `message-malformed` naming `path`. */
  fromItem(item: unknown, path: string): T
}

/** The TypeScript type that a codec or a message codec carries. */
export type TypeOf<C> = C extends { fromItem(item: unknown, path: string): infer T }
  ? T
  : C extends { decode(bytes: Uint8Array): infer T }
    ? T
    : never

function malformed(path: string, expected: string, item: unknown): HyphaError {
  const got = item === null ? 'null' : item instanceof Uint8Array ? `${item.length} bytes` : typeof item
  const shown = typeof item === 'number' || typeof item === 'boolean' ? `${item}` : got
  return new HyphaError('message-malformed', `${path} should be ${expected}, is ${shown}`, { where: path })
}

/** An unsigned integer from `min` to `max`. */
export function uint(max: number = Number.MAX_SAFE_INTEGER, min = 0): Codec<number> {
  return {
    // RFC 8949, 4.2.1: an integer is written as one, also beyond 32 bits, where a number of JavaScript would become a float.
    toItem: (value) => (value > 0xffff_ffff ? BigInt(value) : value),
    fromItem(item, path) {
      if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < min || item > max) {
        throw malformed(path, `an integer from ${min} to ${max}`, item)
      }
      return item
    },
  }
}

/** Any number, NaN and the infinities included; −0 arrives as 0. */
export const float: Codec<number> = {
  toItem: (value) => value,
  fromItem(item, path) {
    if (typeof item !== 'number') throw malformed(path, 'a number', item)
    return item
  },
}

export const bool: Codec<boolean> = {
  toItem: (value) => value,
  fromItem(item, path) {
    if (typeof item !== 'boolean') throw malformed(path, 'true or false', item)
    return item
  },
}

/** Text of at most `maxChars` UTF-16 units that matches `pattern`. */
export function text(maxChars: number, pattern?: RegExp): Codec<string> {
  return {
    toItem: (value) => value,
    fromItem(item, path) {
      if (typeof item !== 'string' || item.length > maxChars)
        throw malformed(path, `text of at most ${maxChars} characters`, item)
      if (pattern && !pattern.test(item)) {
        throw new HyphaError('message-malformed', `${path}: "${item}" is not of the form ${pattern.source}`, {
          where: path,
        })
      }
      return item
    },
  }
}

/** Bytes: at most `max`, or exactly `exact`. */
export function bytes(limit: { max: number } | { exact: number }): Codec<Uint8Array> {
  const [min, max] = 'exact' in limit ? [limit.exact, limit.exact] : [0, limit.max]
  return {
    toItem: (value) => value,
    fromItem(item, path) {
      if (!(item instanceof Uint8Array) || item.length < min || item.length > max) {
        throw malformed(path, min === max ? `${max} bytes` : `at most ${max} bytes`, item)
      }
      return item
    },
  }
}

export function list<T>(of: Codec<T>, maxItems: number): Codec<readonly T[]> {
  return {
    toItem: (value) => value.map((entry) => of.toItem(entry)),
    fromItem(item, path) {
      if (!Array.isArray(item) || item.length > maxItems)
        throw malformed(path, `a list of at most ${maxItems} items`, item)
      return item.map((entry, index) => of.fromItem(entry, `${path}[${index}]`))
    },
  }
}

/** One of a few words; on the wire its index, so words are only ever added at the end. [P 2.3] */
export function oneOf<const W extends string>(...words: readonly W[]): Codec<W> {
  return {
    toItem: (value) => words.indexOf(value),
    fromItem(item, path) {
      const word = typeof item === 'number' ? words[item] : undefined
      if (word === undefined) throw malformed(path, `an index into ${words.join(', ')}`, item)
      return word
    },
  }
}

export function nullable<T>(of: Codec<T>): Codec<T | null> {
  return {
    toItem: (value) => (value === null ? null : of.toItem(value)),
    fromItem: (item, path) => (item === null ? null : of.fromItem(item, path)),
  }
}

/** A map from text to values, such as configuration. */
export function dictionary<T>(of: Codec<T>, maxEntries: number, maxKeyChars = 128): Codec<Readonly<Record<string, T>>> {
  return {
    toItem: (value) => new Map(Object.entries(value).map(([key, entry]) => [key, of.toItem(entry)])),
    fromItem(item, path) {
      if (!(item instanceof Map) || item.size > maxEntries)
        throw malformed(path, `a map of at most ${maxEntries} entries`, item)
      const entries: [string, T][] = []
      for (const [key, entry] of item) {
        if (typeof key !== 'string' || key.length > maxKeyChars)
          throw malformed(`${path} (a key)`, `text of at most ${maxKeyChars}`, key)
        entries.push([key, of.fromItem(entry, `${path}.${key}`)])
      }
      // fromEntries defines own properties, so that a key such as "__proto__" is only a key.
      return Object.fromEntries(entries)
    },
  }
}

type Fields = Readonly<Record<string, readonly [key: number, codec: Codec<never> | Codec<unknown>]>>
type RecordOf<F extends Fields> = { readonly [K in keyof F]: TypeOf<F[K][1]> }

/**
 * A record as a CBOR map with small integer keys, which a microcontroller reads easily. A field whose codec is `nullable` may be
 * absent on the wire, and is left out when null: so a field can be added later. Unknown keys are passed over. [P 2.2]
 */
export function record<const F extends Fields>(fields: F): Codec<RecordOf<F>> {
  const entries = Object.entries(fields) as unknown as [string, readonly [number, Codec<unknown>]][]
  return {
    toItem(value) {
      const map = new Map<number, unknown>()
      for (const [name, [key, codec]] of entries) {
        const item = codec.toItem((value as Record<string, unknown>)[name])
        if (item !== null && item !== undefined) map.set(key, item)
      }
      return map
    },
    fromItem(item, path) {
      if (!(item instanceof Map)) throw malformed(path, 'a map', item)
      const value: Record<string, unknown> = {}
      for (const [name, [key, codec]] of entries) {
        value[name] = codec.fromItem(item.get(key) ?? null, `${path}.${name}`)
      }
      return value as RecordOf<F>
    },
  }
}

/** A value that carries its kind: `[index of the kind, item]` on the wire, `{kind, ...}` in code. Kinds are only ever added at the end. */
export function union<const C extends readonly (readonly [string, Codec<never> | Codec<unknown>])[]>(
  ...cases: C
): Codec<{ [K in keyof C]: { readonly kind: C[K][0] } & TypeOf<C[K][1]> }[number]> {
  type Value = { [K in keyof C]: { readonly kind: C[K][0] } & TypeOf<C[K][1]> }[number]
  return {
    toItem(value) {
      const index = cases.findIndex(([kind]) => kind === (value as { kind: string }).kind)
      return [index, (cases[index]![1] as Codec<unknown>).toItem(value)]
    },
    fromItem(item, path) {
      const found = Array.isArray(item) && item.length === 2 && typeof item[0] === 'number' ? cases[item[0]] : undefined
      if (!found)
        throw malformed(path, `a pair of a kind (${cases.map(([kind]) => kind).join(', ')}) and its fields`, item)
      const fields = (found[1] as Codec<object>).fromItem((item as unknown[])[1], `${path}.${found[0]}`)
      return { kind: found[0], ...fields } as Value
    },
  }
}

export interface MessageCodec<T> {
  readonly name: string
  encode(value: T): Uint8Array<ArrayBuffer>
  /** Throws `bytes-too-long`, `bytes-malformed` or `message-malformed`. */
  decode(bytes: Uint8Array): T
}

/** The most that one MQTT packet's payload, and so one message, may have. */
export const maxMessageBytes = 65_536

/** A whole message: its size is checked before anything is read. */
export function message<T>(name: string, codec: Codec<T>, maxBytes: number = maxMessageBytes): MessageCodec<T> {
  return {
    name,
    encode(value) {
      const encoded = encodeCbor(codec.toItem(value))
      if (encoded.length > maxBytes) {
        throw new HyphaError('bytes-too-long', `${name} has ${encoded.length} bytes, at most ${maxBytes} are allowed`)
      }
      return encoded
    },
    decode(received) {
      if (received.length > maxBytes) {
        throw new HyphaError('bytes-too-long', `${name} has ${received.length} bytes, at most ${maxBytes} are allowed`)
      }
      return codec.fromItem(decodeCbor(received, name), name)
    },
  }
}
