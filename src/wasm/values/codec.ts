import type { ValueReader, ValueWriter } from './cursor.ts'

/** How values of one WIT type are written and read. Values have the shapes that the binder of the canonical ABI gives and takes. */
export interface ValueCodec {
  write(out: ValueWriter, value: unknown): void
  read(from: ValueReader): unknown
}
