import { foldType, type TypeFold } from '../fold.ts'
import type { WitType } from '../types.ts'
import type { Codec } from './codec.ts'
import { flagsCodec, recordCodec, tupleCodec } from './compound.ts'
import { listCodec } from './lists.ts'
import { scalarCodecs } from './scalars.ts'
import { enumShape, optionShape, taggedShape, variantCodec } from './variants.ts'

const optionNames = ['none', 'some']
const resultNames = ['ok', 'err']

const codecs: TypeFold<Codec> = {
  primitive: (type) => scalarCodecs[type],
  list: (of, type) => listCodec(of, type.of),
  option(of, type) {
    const nested = typeof type.of === 'object' && type.of.kind === 'option'
    return variantCodec([null, of], nested ? taggedShape(optionNames) : optionShape)
  },
  result: (ok, err) => variantCodec([ok, err], taggedShape(resultNames)),
  tuple: tupleCodec,
  record: recordCodec,
  variant: (cases) =>
    variantCodec(
      cases.map(({ of }) => of),
      taggedShape(cases.map(({ name }) => name)),
    ),
  enum: (cases) =>
    variantCodec(
      cases.map(() => null),
      enumShape(cases),
    ),
  flags: flagsCodec,
}

const built = new WeakMap<object, Codec>()

/** How values of a WIT type cross. */
export const codecOf = (type: WitType): Codec => foldType(type, codecs, built)
