import { bindExport, bindImport, type CoreFunction, coreSignature } from '@hypha/core/wasm/abi.ts'
import type { FuncType } from '@hypha/core/wasm/types.ts'
import { everyKind } from '../../support/wasm-types.ts'
import { outcome, reads, type Target } from '../target.ts'

const funcs: readonly FuncType[] = everyKind.map((type, index) => ({
  name: `echo-${index}`,
  params: [{ name: 'x', type }],
  result: type,
}))

/** The first byte says of which type the guest's answer is, the next twelve what it answers, the rest is its memory. */
function lift(input: Uint8Array): string {
  const func = funcs[(input[0] ?? 0) % funcs.length]!
  const memory = new Uint8Array(65_536)
  memory.set(input.subarray(13).subarray(0, 65_536))
  const view = new DataView(memory.buffer)
  const flat = new DataView(Uint8Array.from({ length: 16 }, (_, at) => input[1 + at] ?? 0).buffer)
  const context = {
    memory: () => ({ buffer: memory.buffer }),
    realloc: () => view.getUint32(0, true),
    maxLiftedBytes: 1 << 20,
  }
  const flatOf = (type: string, at: number) => {
    if (type === 'i64') return flat.getBigInt64(at % 8, true)
    return type === 'i32' ? flat.getInt32(at % 12, true) : flat.getFloat64(at % 8, true)
  }
  const { results } = coreSignature(func, 'export')
  const guest: CoreFunction = () => (results.length === 0 ? undefined : flatOf(results[0]!, 0))
  const answered = reads(() => bindExport({ ...func, params: [] }, guest, undefined, context)())
  const { params } = coreSignature(func, 'import')
  const called = reads(() =>
    bindImport(func, (value) => value, context)(...params.map((type, at) => flatOf(type, 4 * at))),
  )
  return `${func.name} ${outcome(answered)} ${outcome(called)}`
}

export const abiTarget: Target = {
  name: 'abi',
  about: 'what a hostile guest answers and passes, by the canonical ABI',
  maxBytes: 4_096,
  short: 2_000,
  prepare: () => ({
    seeds: funcs.map((_, index) => {
      const bytes = new Uint8Array(300)
      bytes.set([index, 32, 0, 0, 0, 8, 0, 0, 0])
      // At 32 of its memory: a pointer to 64, a length of 5.
      bytes.set([64, 0, 0, 0, 5, 0, 0, 0, 64, 0, 0, 0, 2, 0, 0, 0], 13 + 32)
      return bytes
    }),
    run: lift,
  }),
}
