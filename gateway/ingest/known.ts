import type { Store } from '../store/store.ts'

/**
 * Which apps and nodes are there, remembered while they are. What nodes still report for ones that were removed is passed over without a word: nothing of them may come
 * back into the store.
 */
export function createKnown(store: Store) {
  const apps = new Set<string>()
  const nodes = new Set<string>()
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
    /** An instance of an app that is there, for a device that is there. */
    instance: (instance: { app: string; home: string | null }): boolean =>
      app(instance.app) && (instance.home === null || node(instance.home)),
    /** To be called before each transaction. */
    refresh(): void {
      if (generation === store.series.generation) return
      apps.clear()
      nodes.clear()
      generation = store.series.generation
    },
  }
}

export type Known = ReturnType<typeof createKnown>
