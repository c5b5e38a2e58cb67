import type { Directive } from '@hypha/core/trust/directive.ts'
import { toChild } from '@hypha/core/wire/messages/child.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Broker } from './broker/broker.ts'
import { sendChildren } from './distribute/children-packet.ts'
import { type DirectivePorts, sendDirective } from './distribute/directive-packet.ts'
import type { ReleaseMessages } from './distribute/release-messages.ts'
import type { Outlet } from './services/deps.ts'
import { nodeOf, type World } from './services/world.ts'
import type { Store } from './store/store.ts'

const goodbyeMs = 1_000

export interface OutletPorts {
  readonly topics: FleetTopics
  readonly broker: Broker
  readonly world: World
  readonly distribution: DirectivePorts & { readonly store: Pick<Store, 'nodes'> }
  readonly releaseMessages: ReleaseMessages
  readonly chunks: { forget(node: string): void }
  readonly sender: { flush(node: string): Promise<void> }
  readonly publishRoot: () => Promise<void>
  readonly onFailure: (error: unknown) => void
}

/** Carries what the services decided to the broker. */
export function createOutlet(ports: OutletPorts): Outlet {
  const { topics, broker, world, distribution, releaseMessages, chunks, sender, publishRoot, onFailure } = ports
  const { store, publish } = distribution
  const valuesFrom = (node: string) => {
    const own = [...broker.retained(topics.valuesOfDevice(node))]
    const shared = [...broker.retained(topics.valuesOfDevice('site'))].filter(({ payload }) => nodeOf(payload) === node)
    return [...own, ...shared]
  }
  const clear = (topic: string) => void publish(topic, new Uint8Array(), { retain: true, qos: 1 }).catch(onFailure)
  // Several boards of a node are often told something at once.
  const parents = new Set<string>()
  const children = (parent: string) => {
    if (parents.size === 0) {
      queueMicrotask(() => {
        const all = [...parents]
        parents.clear()
        for (const each of all) sendChildren(each, distribution).catch(onFailure)
      })
    }
    parents.add(parent)
  }
  // Those of one decision together: what many of them need goes before them, once.
  let due: Directive[] = []
  const sendDue = () => {
    const directives = due
    due = []
    releaseMessages
      .before(directives)
      // Then the nodes ask for chunks.
      .catch(onFailure)
      .finally(() => {
        for (const { node } of directives) {
          if (!store.nodes.admission(node)?.revoked) sendDirective(node, distribution).catch(onFailure)
        }
      })
  }

  return {
    directive: ({ directive }) => {
      const parent = store.nodes.parentOf(directive.node)
      if (parent !== null) {
        chunks.forget(parent)
        children(parent)
        return
      }
      // Its directive stays in the store, so that those of the device that takes its place go on above it.
      if (store.nodes.admission(directive.node)?.revoked) return
      chunks.forget(directive.node)
      if (due.length === 0) queueMicrotask(sendDue)
      due.push(directive)
    },
    children,
    toChild: (parent, word) => {
      publish(topics.down(parent, 'child'), toChild.encode(word)).catch(onFailure)
    },
    commit: (app, envelope) => {
      publish(topics.commit(app), envelope, { retain: true, qos: 1 }).catch(onFailure)
    },
    nodeForgotten: (node) => {
      for (const topic of [topics.presence(node), topics.state(node), topics.down(node, 'directive')]) clear(topic)
      world.forget((value) => value.node === node || value.home === node)
      for (const { topic } of valuesFrom(node)) clear(topic)
      // A moment later, so that it still hears that it is to leave, and that its last word has arrived.
      setTimeout(() => void broker.forget(node).catch(onFailure), goodbyeMs).unref()
    },
    nodeRevoked: (node) => {
      const parent = store.nodes.parentOf(node)
      if (parent !== null) children(parent)
      for (const topic of [topics.presence(node), topics.state(node), topics.down(node, 'directive')]) clear(topic)
      broker.forget(node).catch(onFailure)
    },
    nodeReplaced: (node) => {
      for (const topic of [topics.presence(node), topics.state(node)]) clear(topic)
      broker.forget(node).catch(onFailure)
    },
    appRemoved: (app) => {
      world.forget((value) => value.app === app)
      for (const { topic } of broker.retained(topics.valuesOf(app))) clear(topic)
      for (const { topic } of broker.retained(topics.commit(app))) clear(topic)
      releaseMessages.forget(app)
    },
    clientRemoved: (name) => {
      broker.forget(name).catch(onFailure)
    },
    root: publishRoot,
    inputsMoved: (nodes) => {
      for (const node of nodes) void sender.flush(node)
    },
  }
}
