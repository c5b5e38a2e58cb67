import { ByteReader } from '../bytes/reader.ts'
import { ByteWriter } from '../bytes/writer.ts'
import { HyphaError } from '../errors.ts'
import { type CoreModule, parseCore } from './core.ts'

/** The module with another body for the section `id`, which it has; everything else is copied byte by byte. */
export function replaceSection(core: Uint8Array, parsed: CoreModule, id: number, body: Uint8Array): Uint8Array {
  const section = parsed.sections.find((candidate) => candidate.id === id)
  if (section === undefined) throw new HyphaError('internal', `core module: there is no section ${id} to replace`)
  return new ByteWriter(core.length + body.length)
    .put(core.subarray(0, section.at))
    .u8(id)
    .uleb(body.length)
    .put(body)
    .put(core.subarray(section.end))
    .finish()
}

/** A new name for an old one; the same for what keeps it. */
export type Rename = (name: string) => string

/**
 * The core module with its exports renamed. Compilers that can't export names with `#` and `/` export `timer$tick`, and here it becomes
 * `hypha:module/timer@0.1.0#tick`.
 *
 * @throws HyphaError `wasm-malformed` if two exports get one name.
 */
export function renameExports(core: Uint8Array, rename: Rename): Uint8Array {
  const parsed = parseCore(core)
  const section = parsed.sections.find(({ id }) => id === 7)
  if (section === undefined) return core
  const taken = new Set<string>()
  const body = copySection(core, section.bodyAt, section.end, (reader, writer) => {
    const name = rename(reader.text(reader.uleb()))
    if (taken.has(name))
      throw new HyphaError('wasm-malformed', `core module: two exports would be named "${name}"`, { where: name })
    taken.add(name)
    writer.name(name).u8(reader.u8()).uleb(reader.uleb())
  })
  return replaceSection(core, parsed, 7, body)
}

/** The core module with its imports renamed: `rename` gets the module's and the item's name. */
export function renameImports(
  core: Uint8Array,
  rename: (module: string, name: string) => readonly [module: string, name: string],
): Uint8Array {
  const parsed = parseCore(core)
  const section = parsed.sections.find(({ id }) => id === 2)
  if (section === undefined) return core
  const body = copySection(core, section.bodyAt, section.end, (reader, writer, index) => {
    const [module, name] = rename(reader.text(reader.uleb()), reader.text(reader.uleb()))
    const { descriptorAt, end } = parsed.imports[index]!
    writer.name(module).name(name).put(core.subarray(descriptorAt, end))
    reader.skip(end - descriptorAt)
  })
  return replaceSection(core, parsed, 2, body)
}

/** Copies a vector item by item. The module has been parsed, so its form is known to be right. */
function copySection(
  core: Uint8Array,
  at: number,
  end: number,
  copy: (reader: ByteReader, writer: ByteWriter, index: number) => void,
): Uint8Array {
  const reader = new ByteReader(core, 'core module', at, end)
  const writer = new ByteWriter(end - at + 1024)
  const count = reader.uleb()
  writer.uleb(count)
  for (let index = 0; index < count; index++) copy(reader, writer, index)
  return writer.finish()
}
