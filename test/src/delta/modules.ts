import { readFileSync } from 'node:fs'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'

const vectors = new URL('../../vectors/delta/', import.meta.url)
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`${name}.wasm`, vectors)))

/** Modules of examples/greenhouse in two versions: AssemblyScript and C. */
export const realPairs = [
  { name: 'sampler', old: read('sampler-old'), now: read('sampler-new') },
  { name: 'frost-alarm', old: read('frost-alarm-old'), now: read('frost-alarm-new') },
] as const

/** A function of a made-up module: what it calls, and a constant. */
export interface MadeFunction {
  readonly calls: readonly number[]
  readonly constant: number
}

export interface MadeModule {
  readonly functions: readonly MadeFunction[]
  readonly data: Uint8Array
  /** Where the data begins in memory. */
  readonly address: number
  readonly padded: boolean
}

const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

/** A valid module with as many functions, a table of them, an export of each, and data. */
export function buildModule({ functions, data, address, padded }: MadeModule): Uint8Array {
  const out = new ByteWriter().put(Uint8Array.from(header))
  const section = (id: number, write: (writer: ByteWriter) => void) => {
    const body = new ByteWriter()
    write(body)
    out.u8(id).uleb(body.length).put(body.finish())
  }
  const index = (writer: ByteWriter, value: number) => {
    if (padded)
      writer
        .u8((value & 0x7f) | 0x80)
        .u8(((value >> 7) & 0x7f) | 0x80)
        .u8(0)
    else writer.uleb(value)
  }
  section(1, (writer) => writer.uleb(1).put(Uint8Array.of(0x60, 0, 1, 0x7f)))
  section(3, (writer) => functions.reduce((each) => each.uleb(0), writer.uleb(functions.length)))
  section(4, (writer) => writer.put(Uint8Array.of(1, 0x70, 0)).uleb(functions.length))
  section(5, (writer) => writer.put(Uint8Array.of(1, 0, 1)))
  section(7, (writer) => {
    writer.uleb(functions.length)
    for (const each of functions.keys()) writer.name(`f${functions[each]!.constant}`).u8(0).uleb(each)
  })
  section(9, (writer) => {
    writer.put(Uint8Array.of(1, 0, 0x41, 0, 0x0b)).uleb(functions.length)
    for (const each of functions.keys()) writer.uleb(each)
  })
  section(10, (writer) => {
    writer.uleb(functions.length)
    for (const { calls, constant } of functions) {
      const body = new ByteWriter().u8(0)
      for (const call of calls) {
        body.u8(0x10)
        index(body, call % functions.length)
        body.u8(0x1a)
      }
      body.u8(0x41)
      signed(body, address + constant)
      body.put(Uint8Array.of(0x28, 2, 0, 0x0b))
      writer.uleb(body.length).put(body.finish())
    }
  })
  section(11, (writer) => {
    writer.put(Uint8Array.of(1, 0, 0x41))
    signed(writer, address)
    writer.u8(0x0b).uleb(data.length).put(data)
  })
  return out.finish()
}

function signed(writer: ByteWriter, value: number): void {
  let rest = value
  while (rest >= 0x40 || rest < -0x40) {
    writer.u8((rest & 0x7f) | 0x80)
    rest >>= 7
  }
  writer.u8(rest & 0x7f)
}
