import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { checkId } from '@hypha/core/wire/ids.ts'
import { sdkDir } from './sdk.ts'

export const templates = ['assemblyscript', 'c', 'rust', 'prebuilt'] as const
type Template = (typeof templates)[number]

/**
 * Makes the folder `dir` with an app of one module that builds and ticks. Answers the files, relative to the folder.
 *
 * @throws HyphaError `template-unknown`, `id-invalid`, or `folder-occupied`.
 */
export function newApp(dir: string, name: string, template: string): string[] {
  if (!templates.includes(template as Template)) {
    throw new HyphaError('template-unknown', `There is no template "${template}"`)
  }
  checkId('app', name)
  const folder = resolve(dir)
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new HyphaError('folder-occupied', 'The folder is not empty', { where: folder })
  }
  const from = join(sdkDir, 'templates', template)
  return filesBelow(from).map((file) => {
    // npm would take a .gitignore in the template for its own.
    const to = join(dirname(file), basename(file).replace(/^gitignore$/, '.gitignore'))
    mkdirSync(dirname(join(folder, to)), { recursive: true })
    writeFileSync(join(folder, to), filled(join(from, file), name))
    return to
  })
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort()
}

function filled(file: string, name: string): string | Uint8Array {
  if (file.endsWith('.wasm')) return readFileSync(file)
  return readFileSync(file, 'utf8').replaceAll('{{name}}', name).replaceAll('{{sdk}}', sdkDir)
}
