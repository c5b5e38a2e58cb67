import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { ClientIdentity } from './identity.ts'

/** What a client that is no node may do: topic filters, written out from `hypha/` on. Only what they have in the world's part counts. */
export interface Grants {
  /** Filters that it may subscribe to, and to any narrower one: under `v/` and `m/`. */
  readonly read: readonly string[]
  /** Filters whose topics it may publish to: under `m/`. Values under `v/` are only the gateway's to write. */
  readonly write: readonly string[]
}

/** Looks up a client's grants by its name; null for one that has none (any more). */
export type GrantsOf = (client: string) => Grants | null

export type Party = Pick<ClientIdentity, 'kind' | 'id'>

/** The rules for topics. Pure: what a party may do depends on its certificate and its grants alone. [P 1.3] */
export interface AccessRules {
  mayPublish(party: Party, topic: string): boolean
  /** Whether what it publishes there may be retained. */
  mayRetain(party: Party, topic: string): boolean
  /** Whether everything that the filter could match may be read. */
  maySubscribe(party: Party, filter: string): boolean
}

export function accessRules(topics: FleetTopics, grantsOf: GrantsOf): AccessRules {
  // What goes to ten thousand nodes is asked for as often, one after the other, and is answered alike to all.
  let last = { filter: '', may: false }
  const mayNodeSubscribe = (node: string, filter: string): boolean => {
    if (filter === last.filter) return last.may
    const may = topics.maySubscribe(node, filter)
    if (topics.isForAll(filter)) last = { filter, may }
    return may
  }
  return {
    mayPublish(party, topic) {
      if (party.kind === 'node') return topics.mayPublish(party.id, topic)
      if (topics.parse(topic)?.kind !== 'message') return false
      return grantsOf(party.id)?.write.some((grant) => filterCovers(grant, topic)) === true
    },
    mayRetain: (party, topic) => party.kind === 'client' || topics.mayRetain(party.id, topic),
    maySubscribe(party, filter) {
      if (party.kind === 'node') return mayNodeSubscribe(party.id, filter)
      if (!topics.isWorld(filter)) return false
      return grantsOf(party.id)?.read.some((grant) => filterCovers(grant, filter)) === true
    },
  }
}

/** Whether a will may be left: only a node's word that it is gone. */
export function mayLeaveWill(topics: FleetTopics, party: Party, topic: string): boolean {
  return party.kind === 'node' && topic === topics.presence(party.id)
}

/** Whether every topic that matches `filter` matches `grant` too (MQTT 3.1.1, 4.7). A topic is a filter that matches itself. */
export function filterCovers(grant: string, filter: string): boolean {
  const granted = grant.split('/')
  const asked = filter.split('/')
  for (const [index, level] of granted.entries()) {
    // "a/#" covers "a" as well [MQTT-4.7.1-2].
    if (level === '#') return true
    const other = asked[index]
    if (other === undefined || other === '#') return false
    if (level !== '+' && level !== other) return false
  }
  return granted.length === asked.length
}
