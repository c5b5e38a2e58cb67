import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { isComponent } from '@hypha/core/wasm/component.ts'
import { isCoreModule, parseCore } from '@hypha/core/wasm/core.ts'
import type { Compiled, CompileJob } from './compile.ts'

/** Larger files are not read. */
const maxBytes = 64 * 1024 ** 2

/**
 * A module that was compiled elsewhere: a component is taken as it is, and a core module whose imports and exports have canonical names
 * is made one.
 *
 * @throws HyphaError `source-missing` where the file is neither, `wasm-malformed` where it is not a whole one, and what `parseCore` throws else.
 */
export async function readPrebuilt(job: CompileJob): Promise<Compiled> {
  const { source } = job.module
  const file = statSync(source).isFile()
    ? source
    : join(source, readdirSync(source).find((name) => name.endsWith('.wasm'))!)
  const { size } = statSync(file)
  if (size > maxBytes)
    throw new HyphaError('source-missing', `${size} bytes are over the cap of ${maxBytes}`, { where: file })
  const bytes = new Uint8Array(readFileSync(file))
  if (isComponent(bytes)) return { kind: 'component', bytes }
  if (isCoreModule(bytes)) {
    checkForm(job.module.name, file, bytes)
    return { kind: 'core', bytes, renames: new Map(), extra: [] }
  }
  throw new HyphaError('source-missing', `${job.module.name}: the file is neither a component nor a core module`, {
    where: file,
  })
}

/** Here, where it is known whose file it is: one that was cut off is its author's, and no message of a peer. */
function checkForm(module: string, file: string, bytes: Uint8Array): void {
  try {
    parseCore(bytes)
  } catch (cause) {
    if (!(cause instanceof HyphaError)) throw cause
    const code = cause.code.startsWith('bytes-') ? 'wasm-malformed' : cause.code
    const at = cause.where === undefined ? '' : `, ${cause.where}`
    throw new HyphaError(code, `${module}: ${cause.message}`, { where: `${file}${at}`, cause })
  }
}
