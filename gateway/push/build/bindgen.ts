import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assemblyScriptBinding } from './bindgen-assemblyscript.ts'
import { cExportHeader, cImportHeader } from './bindgen-c.ts'
import { bindingPath } from './bindgen-names.ts'
import { sdkWitDirs } from './sdk.ts'
import { loadWit, type WitInterface } from './wit.ts'

export type BindingLanguage = 'assemblyscript' | 'c'

export interface BindgenOptions {
  readonly language: BindingLanguage
  /** The folder that the files are written to. */
  readonly out: string
}

/**
 * Writes bindings for all interfaces in a folder of WIT files (or several), which may use types of the contract's. Files lie at
 * `NAMESPACE/PACKAGE/INTERFACE.ts` or `.h`. Answers their paths.
 *
 * @throws HyphaError `wit-invalid`, with file and line.
 */
export function bindgen(witDir: string | readonly string[], { language, out }: BindgenOptions): string[] {
  const dirs = typeof witDir === 'string' ? [witDir] : witDir
  return writeBindings(interfacesOf(dirs), language, out)
}

/** The interfaces that stand in the folders themselves; those of the contract are only there to be used. */
function interfacesOf(dirs: readonly string[]): readonly WitInterface[] {
  const contract = new Set(loadWit(sdkWitDirs).interfaces.map((item) => item.id))
  const isContract = dirs.some((dir) => sdkWitDirs.includes(dir))
  if (isContract) return loadWit(dirs).interfaces
  return loadWit([...sdkWitDirs, ...dirs]).interfaces.filter((item) => !contract.has(item.id))
}

export function writeBindings(interfaces: readonly WitInterface[], language: BindingLanguage, out: string): string[] {
  return interfaces.flatMap((item) =>
    Object.entries(bindingFiles(item, language)).map(([path, text]) => {
      const file = join(out, path)
      writeIfChanged(file, text)
      return file
    }),
  )
}

/** The binding files of an interface, by path. Interfaces that drive modules can only be exported in C, those of the host only imported. */
function bindingFiles(item: WitInterface, language: BindingLanguage): Record<string, string> {
  const path = bindingPath(item.id)
  if (language === 'assemblyscript') return { [`${path}.ts`]: assemblyScriptBinding(item) }
  if (item.package === 'hypha:module') return { [`${path}.h`]: cExportHeader(item) }
  if (item.package === 'hypha:host') return { [`${path}.h`]: cImportHeader(item) }
  return { [`${path}.h`]: cImportHeader(item), [`${path}-export.h`]: cExportHeader(item) }
}

/** Untouched files keep their time, so that editors and tools see no change where there is none. */
function writeIfChanged(file: string, text: string): void {
  try {
    if (readFileSync(file, 'utf8') === text) return
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
