import { HyphaError } from '@hypha/core/errors.ts'
import { shareMemory } from '@hypha/core/wasm/limits.ts'
import type { CellModule, Transpiled } from '../sandbox/protocol.ts'

const pageBytes = 65_536

/**
 * Takes a component apart with jco: glue, and core modules with their share of what the module may have of memory.
 *
 * @throws HyphaError `module-unloadable` for what jco can't take apart, `wasm-memory` where the memories begin with more than the limit.
 */
export async function transpile({ name, bytes, limits }: CellModule): Promise<Transpiled> {
  // This entry of the package is its WebAssembly alone, without optimiser and minifier.
  const { $init, generate } = await import('@bytecodealliance/jco-transpile/component')
  await $init
  const files = new Map(attempt(name, () => generate(bytes, options).files))
  const cores = [...files].filter(([file]) => file.endsWith('.wasm'))
  const shares = shareMemory(
    cores.map(([, core]) => core),
    Math.ceil(limits.memoryBytes / pageBytes),
  )
  return {
    source: asFunctionBody(name, new TextDecoder().decode(files.get('module.js'))),
    cores: new Map(cores.map(([file], index) => [file, shares[index]!])),
  }
}

const options = {
  name: 'module',
  // The module is given its imports when it is instantiated, in the order of its own code, without awaiting anything.
  instantiation: { tag: 'sync' },
  // An error of a result comes in a wrapping that tells it from a trap.
  noComponentErrorWrapping: false,
  noTypescript: true,
  noNodejsCompat: true,
  // Core modules stay apart from the glue, however small.
  base64Cutoff: 0,
} as const

/** Nothing can be imported any more where the glue is run: what it exports is returned. */
function asFunctionBody(name: string, glue: string): string {
  const body = glue.replaceAll(/^export (?=function |const )/gm, '')
  if (!/^function instantiate\(/m.test(body) || /^(export|import)\b/m.test(body)) {
    throw new HyphaError('module-unloadable', `module "${name}": jco made something else than was expected of it`)
  }
  return `${body}\nreturn instantiate`
}

function attempt<T>(name: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new HyphaError('module-unloadable', `module "${name}": jco can't take it apart: ${why}`, { cause })
  }
}
