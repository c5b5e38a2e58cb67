import { HyphaError } from '@hypha/core/errors.ts'
import { openEnvelope, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import type { NodeState } from '@hypha/core/wire/messages/state.ts'
import { createProgress } from '../distribute/progress.ts'
import type { GatewayDeps } from './deps.ts'
import type { Pipeline } from './pipeline.ts'

/** What the pipeline hears of nodes, after ingest has stored it. */
export class NodeReports {
  readonly #deps: GatewayDeps
  readonly #pipeline: Pipeline
  readonly #inventories = new Map<string, string>()
  /** How much of each app's release each node holds. */
  readonly progress: ReturnType<typeof createProgress>

  constructor(deps: GatewayDeps, pipeline: Pipeline) {
    this.#deps = deps
    this.#pipeline = pipeline
    this.progress = createProgress((_node, error) => deps.onFailure(error))
  }

  state(node: string, state: NodeState): void {
    const { store } = this.#deps
    const record = store.nodes.get(node)
    if (record === null) return
    if (record.removedAt !== null) {
      const told = store.directives.version(node)
      if (state.directive >= told && state.sections.length === 0) void this.#forget(node)
      return
    }
    if (state.refused !== null) this.#prove(node, state.refused.held)
    // Who joined anew under its name has another certificate, and nothing is known of it but this report.
    const inventory = JSON.stringify([state.tier, state.inventory, record.fingerprint])
    if (this.#inventories.get(node) === inventory) return
    this.#inventories.set(node, inventory)
    this.#pipeline.replanSoon()
  }

  presence(_node: string, online: boolean): void {
    // What has no place may have one now. Who goes away keeps what it has.
    if (online && this.#pipeline.incomplete) this.#pipeline.replanSoon()
  }

  async #forget(node: string): Promise<void> {
    this.#inventories.delete(node)
    this.progress.forget(node)
    try {
      await this.#pipeline.forgetNode(node)
    } catch (error) {
      this.#deps.onFailure(error)
    }
  }

  /** The node holds a directive that this gateway doesn't know it has made: one restored from a backup goes on above it (DESIGN, "what rises"). */
  #prove(node: string, held: Uint8Array): void {
    const { root, crypto, store } = this.#deps
    try {
      const opened = openEnvelope(held, 'directive', maxDirectiveBytes)
      const proven = directive.decode(verifyThreshold(opened, 'directive', root().gateway, 'gateway', crypto))
      if (proven.fleet !== store.fleet || proven.node !== node || proven.version < store.directives.version(node))
        return
      if ((this.#pipeline.provenVersions.get(node) ?? 0) > proven.version) return
      this.#pipeline.provenVersions.set(node, proven.version + 1)
      this.#pipeline.replanSoon()
    } catch (error) {
      // What isn't signed by the gateway role proves nothing.
      if (!(error instanceof HyphaError)) throw error
    }
  }
}
