import type { FuncType, InterfaceType, World } from '@hypha/core/wasm/types.ts'
import { versionTrack } from '@hypha/core/wasm/versions.ts'

/** The interface among a world's exports that serves an import: the very version, or one that fits. */
export function exportFor(world: World, imported: string): InterfaceType | null {
  const exact = world.exports.find(({ name }) => name === imported)
  const track = versionTrack(imported)
  return exact ?? world.exports.find(({ name }) => versionTrack(name) === track) ?? null
}

/** The function of a world's export that a call names; null where there is none. */
export function functionFor(
  world: World,
  imported: string,
  func: string,
): { readonly name: string; readonly type: FuncType } | null {
  const served = exportFor(world, imported)
  const type = served?.funcs.find(({ name }) => name === func)
  return served === null || type === undefined ? null : { name: served.name, type }
}
