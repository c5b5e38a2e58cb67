import { HyphaError } from '../errors.ts'
import type { InstanceDef } from './component-types.ts'
import type { World } from './types.ts'

export const isWasi = (interfaceName: string): boolean => interfaceName.startsWith('wasi:')

export type WasiDecision =
  | { readonly satisfied: true; readonly how: string }
  | { readonly satisfied: false; readonly why: string }

interface Rule {
  /** The interface without its version; a final `*` stands for any interface of the package. */
  readonly matches: string
  readonly decision: WasiDecision
}

const satisfied = (matches: string, how: string): Rule => ({ matches, decision: { satisfied: true, how } })
const refused = (matches: string, why: string): Rule => ({ matches, decision: { satisfied: false, why } })

// The first rule that matches counts. What toolchains import without being asked is satisfied with something harmless.
const rules: readonly Rule[] = [
  satisfied('wasi:clocks/monotonic-clock', 'the clock of the node, from the start of the instance'),
  satisfied('wasi:clocks/wall-clock', 'the clock of the node'),
  satisfied('wasi:random/*', "random bytes of the node's cryptographic source"),
  satisfied('wasi:cli/stdout', "the module's log"),
  satisfied('wasi:cli/stderr', "the module's log"),
  satisfied('wasi:cli/stdin', 'an input that is at its end'),
  satisfied('wasi:cli/exit', 'the end of the turn'),
  satisfied('wasi:cli/environment', 'no arguments and no variables'),
  satisfied('wasi:cli/terminal-*', 'no terminal'),
  satisfied('wasi:io/error', 'the errors of streams'),
  satisfied('wasi:io/streams', 'the streams of the standard output'),
  satisfied('wasi:io/poll', 'pollables that are ready'),
  // What could reach a file is refused by `checkFiles`.
  satisfied('wasi:filesystem/preopens', 'no directory'),
  satisfied('wasi:filesystem/types', 'no file: there is none that a descriptor could be of'),
  refused('wasi:sockets/*', 'modules have no sockets: use hypha:host/http or hypha:host/messages'),
  refused('wasi:http/*', 'modules reach the web through hypha:host/http'),
  refused('wasi:keyvalue/*', 'modules keep values with hypha:host/kv'),
  refused('wasi:config/*', 'modules read settings from hypha:host/config'),
  refused('wasi:messaging/*', 'modules publish with hypha:host/messages'),
]

/**
 * Adapters and C libraries import these for whatever writes to its standard output: they work on a descriptor that is open, and none ever is. Only the others can name a file.
 */
const namesNoFile: ReadonlySet<string> = new Set([
  'filesystem-error-code',
  ...['get-flags', 'get-type', 'metadata-hash', 'stat', 'sync', 'sync-data'].map(
    (name) => `[method]descriptor.${name}`,
  ),
  ...['read', 'write', 'append'].map((way) => `[method]descriptor.${way}-via-stream`),
])

/** Whether a module gets a WASI interface that it imports, and how or why not. Null for interfaces that aren't WASI's. */
export function decideWasi(interfaceName: string): WasiDecision | null {
  if (!isWasi(interfaceName)) return null
  const [name = '', version = ''] = interfaceName.split('@')
  if (!version.startsWith('0.2.')) return { satisfied: false, why: 'only WASI 0.2 is known here' }
  const rule = rules.find(({ matches }) =>
    matches.endsWith('*') ? name.startsWith(matches.slice(0, -1)) : name === matches,
  )
  return rule?.decision ?? { satisfied: false, why: 'Hypha has nothing that stands for it' }
}

/**
 * Refuses a component that imports a function by which it could reach a file.
 *
 * @throws HyphaError `wasi-refused` names the first of them.
 */
export function checkFiles(interfaceName: string, { exports }: InstanceDef): void {
  if (!interfaceName.startsWith('wasi:filesystem/types@')) return
  for (const [func, { sort }] of exports) {
    if (sort !== 'func' || namesNoFile.has(func)) continue
    const text = `The module can't run anywhere: it imports ${interfaceName}#${func}: modules have no files`
    throw new HyphaError('wasi-refused', text, {
      where: 'imports',
      mend: 'Keep data with hypha:host/kv or hypha:host/sql, and settings in hypha:host/config.',
    })
  }
}

/**
 * Refuses a module that imports a WASI interface which no node gives.
 *
 * @throws HyphaError `wasi-refused`: one sentence for each such interface.
 */
export function checkWasi(world: World): void {
  const sentences: string[] = []
  for (const { name } of world.imports) {
    const decision = decideWasi(name)
    if (decision?.satisfied === false) sentences.push(`it imports ${name}: ${decision.why}.`)
  }
  if (sentences.length > 0) {
    throw new HyphaError('wasi-refused', `The module can't run anywhere: ${sentences.join(' Also, ')}`, {
      where: 'imports',
    })
  }
}
