/** A value of `sql.wit`, lifted. */
export type SqlValue =
  | { readonly tag: 'null' }
  | { readonly tag: 'integer'; readonly val: bigint }
  | { readonly tag: 'real'; readonly val: number }
  | { readonly tag: 'text'; readonly val: string }
  | { readonly tag: 'blob'; readonly val: Uint8Array }

/** The same in JSON, between the agent and its helper: a letter, and the value as text where JSON's numbers would lose some of it. */
export type WireValue = readonly ['n'] | readonly ['i' | 'r' | 't' | 'b', string]

export function valueToJson(value: SqlValue): WireValue {
  switch (value.tag) {
    case 'null':
      return ['n']
    case 'integer':
    case 'real':
      return [value.tag === 'integer' ? 'i' : 'r', String(value.val)]
    case 'text':
      return ['t', value.val]
    case 'blob':
      return ['b', Buffer.from(value.val.buffer, value.val.byteOffset, value.val.length).toString('base64')]
  }
}

export function valueFromJson(value: WireValue): SqlValue {
  switch (value[0]) {
    case 'n':
      return { tag: 'null' }
    case 'i':
      return { tag: 'integer', val: BigInt(value[1]) }
    case 'r':
      return { tag: 'real', val: Number(value[1]) }
    case 't':
      return { tag: 'text', val: value[1] }
    case 'b':
      return { tag: 'blob', val: new Uint8Array(Buffer.from(value[1], 'base64')) }
  }
}
