// Both trees are keyed level by level, so that a look-up costs as many steps as the topic has levels (times the wildcards that meet it),
// not as many as there are entries. Rules of matching: MQTT 3.1.1, 4.7.

export const hasWildcard = (filter: string): boolean => filter.includes('+') || filter.includes('#')

interface TopicNode {
  readonly children: Map<string, TopicNode>
  /** Whether a topic ends here. */
  topic: string | null
}

/** Values by topic, looked up by filter: exact topics through a map, wildcards through the tree. */
export class TopicTree<V> {
  readonly #values = new Map<string, V>()
  readonly #root: TopicNode = { children: new Map(), topic: null }

  get size(): number {
    return this.#values.size
  }

  get(topic: string): V | undefined {
    return this.#values.get(topic)
  }

  set(topic: string, value: V): void {
    if (!this.#values.has(topic)) {
      let node = this.#root
      for (const level of topic.split('/')) {
        let child = node.children.get(level)
        if (!child) {
          child = { children: new Map(), topic: null }
          node.children.set(level, child)
        }
        node = child
      }
      node.topic = topic
    }
    this.#values.set(topic, value)
  }

  delete(topic: string): void {
    if (!this.#values.delete(topic)) return
    const path: [TopicNode, string][] = []
    let node = this.#root
    for (const level of topic.split('/')) {
      path.push([node, level])
      node = node.children.get(level)!
    }
    node.topic = null
    for (const [parent, level] of path.reverse()) {
      const child = parent.children.get(level)!
      if (child.topic !== null || child.children.size > 0) return
      parent.children.delete(level)
    }
  }

  *match(filter: string): Generator<V> {
    if (!hasWildcard(filter)) {
      const value = this.#values.get(filter)
      if (value !== undefined) yield value
      return
    }
    yield* this.#walk(this.#root, filter.split('/'), 0)
  }

  *#walk(node: TopicNode, levels: readonly string[], depth: number): Generator<V> {
    if (depth === levels.length) {
      if (node.topic !== null) yield this.#values.get(node.topic)!
      return
    }
    const level = levels[depth]!
    if (level === '#') {
      yield* this.#all(node, depth === 0)
    } else if (level === '+') {
      for (const [name, child] of node.children) {
        if (!isHidden(name, depth)) yield* this.#walk(child, levels, depth + 1)
      }
    } else {
      const child = node.children.get(level)
      if (child) yield* this.#walk(child, levels, depth + 1)
    }
  }

  /** A node itself and all below it: "a/#" matches "a" too [MQTT-4.7.1-2]. */
  *#all(node: TopicNode, isRoot: boolean): Generator<V> {
    if (node.topic !== null) yield this.#values.get(node.topic)!
    for (const [name, child] of node.children) {
      if (!(isRoot && isHidden(name, 0))) yield* this.#all(child, false)
    }
  }
}

/** A wildcard in the first level doesn't match topics that begin with $ [MQTT-4.7.2-1]. */
const isHidden = (level: string, depth: number): boolean => depth === 0 && level.startsWith('$')

interface FilterNode<V> {
  readonly children: Map<string, FilterNode<V>>
  /** By owner. */
  readonly entries: Map<string, V>
}

/** As arguments of one call they would be too many: a filter may have tens of thousands of owners. */
function addAll<V>(found: V[], entries: ReadonlyMap<string, V>): void {
  for (const value of entries.values()) found.push(value)
}

const newFilterNode = <V>(): FilterNode<V> => ({ children: new Map(), entries: new Map() })

/** Values by filter and owner, looked up by topic. */
export class FilterTree<V> {
  readonly #root: FilterNode<V> = newFilterNode()
  #size = 0

  get size(): number {
    return this.#size
  }

  set(filter: string, owner: string, value: V): void {
    let node = this.#root
    for (const level of filter.split('/')) {
      let child = node.children.get(level)
      if (!child) {
        child = newFilterNode()
        node.children.set(level, child)
      }
      node = child
    }
    if (!node.entries.has(owner)) this.#size++
    node.entries.set(owner, value)
  }

  delete(filter: string, owner: string): void {
    const path: [FilterNode<V>, string][] = []
    let node = this.#root
    for (const level of filter.split('/')) {
      const child = node.children.get(level)
      if (!child) return
      path.push([node, level])
      node = child
    }
    if (!node.entries.delete(owner)) return
    this.#size--
    for (const [parent, level] of path.reverse()) {
      const child = parent.children.get(level)!
      if (child.entries.size > 0 || child.children.size > 0) return
      parent.children.delete(level)
    }
  }

  match(topic: string): V[] {
    const found: V[] = []
    if (this.#size > 0) this.#collect(this.#root, topic.split('/'), 0, found)
    return found
  }

  #collect(node: FilterNode<V>, levels: readonly string[], depth: number, found: V[]): void {
    const rest = node.children.get('#')
    if (rest && !(depth === 0 && levels[0]!.startsWith('$'))) addAll(found, rest.entries)
    if (depth === levels.length) {
      addAll(found, node.entries)
      return
    }
    const level = levels[depth]!
    const one = node.children.get('+')
    if (one && !isHidden(level, depth)) this.#collect(one, levels, depth + 1, found)
    // A topic has no wildcards, so that no child is visited twice.
    const child = node.children.get(level)
    if (child) this.#collect(child, levels, depth + 1, found)
  }
}
