import type { HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Signer } from '@hypha/core/trust/cose.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import type { BoxKeys } from '@hypha/core/trust/seal.ts'
import type { ToChild } from '@hypha/core/wire/messages/child.ts'
import type { PatchSource } from '../distribute/patches.ts'
import type { Authority } from '../enrol/ca.ts'
import type { EscalationPolicy } from '../escalate/policy.ts'
import type { Store } from '../store/store.ts'

/** What the services do with what they decided. Each is called after its decision is stored, durably; none may throw. */
export interface Outlet {
  /** To be brought to the node, retained. */
  directive(made: { readonly directive: Directive; readonly envelope: Uint8Array }): void
  /** Another board is at the node's serial ports, or one less: their directives are to be brought to it, retained. */
  children(parent: string): void
  /** A word to a board, by way of its node. */
  toChild(parent: string, word: ToChild): void
  /** An app's commit, signed: to be brought to everyone, retained. */
  commit(app: string, envelope: Uint8Array): void
  /** The node is no more: its connection ends, and what is retained for it is cleared. */
  nodeForgotten(node: string): void
  /** The node isn't let in any more, and isn't told: its connection ends, and what is retained for it is cleared. */
  nodeRevoked(node: string): void
  /** Another device has the node's name from now on: the connection of the one before ends. */
  nodeReplaced(node: string): void
  /** What is retained of the app's messages and values is cleared. */
  appRemoved(app: string): void
  /** Nodes are to follow newer root metadata; resolves when the broker has it. */
  root(): Promise<void>
  /** The client's certificate holds no more: its connection ends. */
  clientRemoved(name: string): void
  /** Inputs wait now for these nodes that waited for others. */
  inputsMoved(nodes: readonly string[]): void
}

/** Everything that the services are made of, given by the composition root. */
export interface GatewayDeps {
  readonly store: Store
  readonly crypto: Crypto
  readonly clock: Clock
  /** The gateway's clock for instants and rollouts, which never jumps; ms since 1970 with fractions. */
  readonly nowMs: () => number
  /** Which pushes and rollbacks go in two phases: all, or those that ask for it, as whoever pushes or the release itself. */
  readonly twoPhases: 'always' | 'asked'
  /** When what fails climbs, and how long it stays away; without it as is usual. */
  readonly escalation?: EscalationPolicy
  /** The gateway's own version. */
  readonly version: string
  /** The root metadata in force. */
  readonly root: () => RootMetadata
  /** SHA-256 of the envelope of the first root metadata, lower-case hex: what join URLs pin. */
  readonly rootDigest: string
  /** How the root metadata in force came to be, and how newer one is taken. */
  readonly roots: {
    /** The envelopes of all versions, the newest last. */
    readonly chain: readonly Uint8Array[]
    /** See `Roots.add`; the gateway's own key is that of the newest when it resolves. */
    add(envelopes: readonly Uint8Array[], nowMs: number): Promise<number>
    /** Why no directive can be signed; null where they are. */
    problem(): HyphaError | null
  }
  /** The gateway role's key by the root metadata in force: signs directives. Throws `gateway-key-missing`. */
  readonly signer: () => Signer
  /** The gateway's own keys for secrets at rest. */
  readonly boxKeys: BoxKeys
  readonly authority: Pick<Authority, 'certificate' | 'fingerprint' | 'issueClient'>
  /** Where nodes and clients reach the gateway. */
  readonly address: () => { readonly host: string; readonly httpPort: number; readonly mqttPort: number }
  readonly outlet: Outlet
  /** Makes patches for what travels to nodes that hold an older release; without one all travels whole. */
  readonly patchMaker?: PatchSource
  /** What failed in the background: nobody else would hear of it. */
  readonly onFailure: (error: unknown) => void
}
