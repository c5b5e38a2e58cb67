import { instanceName } from '@hypha/core/wire/ids.ts'
import type { Assigned } from '../store/given.ts'
import type { Store } from '../store/store.ts'

/**
 * Which apps and nodes are there, remembered while they are. What nodes still report for ones that were removed is passed over without a word: nothing of them may come
 * back into the store.
 */
export function createKnown(store: Store) {
  const apps = new Set<string>()
  const nodes = new Set<string>()
  const accepted = new Set<string>()
  const assigned = new Set<string>()
  let generation = store.series.generation

  const remembered = (names: Set<string>, name: string, look: (name: string) => boolean): boolean => {
    if (names.has(name)) return true
    if (!look(name)) return false
    names.add(name)
    return true
  }
  const app = (name: string): boolean => remembered(apps, name, store.apps.has)
  const node = (name: string): boolean => remembered(nodes, name, store.nodes.has)

  return {
    app,
    node,
    /** A node whose word counts: it is there, and neither revoked nor cloned. */
    accepts: (name: string): boolean => remembered(accepted, name, store.nodes.accepts),
    /** An instance that a plan, of today or of before, put on the node. */
    assigned: (node: string, instance: Assigned): boolean =>
      remembered(assigned, `${node}/${instanceName(instance)}`, () => store.given.wasAssigned(node, instance)),
    /** An instance of an app that is there, for a device that is there. */
    instance: (instance: { app: string; home: string | null }): boolean =>
      app(instance.app) && (instance.home === null || node(instance.home)),
    /** To be called before each transaction. */
    refresh(): void {
      if (generation === store.series.generation) return
      apps.clear()
      nodes.clear()
      accepted.clear()
      assigned.clear()
      generation = store.series.generation
    },
  }
}

export type Known = ReturnType<typeof createKnown>
