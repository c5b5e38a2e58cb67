import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import type { Kept } from '@hypha/core/wire/messages/checkpoint.ts'
import type { GatewayClock } from './clock-sync.ts'
import type { Installs } from './install/installs.ts'
import type { OwnInputsPorts } from './own-inputs.ts'
import type { Flip } from './receipts.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import type { InstanceKey, LeavingInstance, NodeEvent, RunnableSection } from './turns.ts'
import type { ContentOf, VerifiedRelease, Verifier } from './verify/verifier.ts'

/** What an app's way needs of the agent's stages. */
export interface AppPorts extends OwnInputsPorts {
  readonly verifier: Verifier
  readonly contents: ContentOf
  readonly installs: Installs
  readonly sandbox: Sandbox
  readonly journal: JournalPort
  readonly clock: Clock
  readonly gatewayClock: Pick<GatewayClock, 'estimate' | 'measure' | 'after'>
  readonly crypto: Pick<Crypto, 'sha256'>
  /** Inputs wait so long at most for a release that takes over at a flip. */
  readonly flipBudgetMs: number
  /** A release must run for so long without a trap before it is confirmed. */
  readonly trialMs: number
  /** Brings a content to this node, whole and checked, unless it is here. */
  receive(content: Content, app: string, signal: AbortSignal): Promise<void>
  /** Writes down what the verifier trusts now. */
  keepTrust(): Promise<void>
  runnable(verified: VerifiedRelease): RunnableSection
  event(event: NodeEvent): void
  /** A release has begun to run: how many milliseconds each step on the way took. */
  ran(section: Section, stepsMs: Readonly<Record<string, number>>): void
  /** A prepared release has taken over. Resolves when that lies on the disk as far as it can; never rejects. */
  flipped(flip: Flip): Promise<void>
  /**
   * Instances have left this node, and had stopped so many ms ago: what they keep goes to the gateway, and is forgotten here. Resolves when it is written down for that. [P 13.3]
   */
  letGo(instances: readonly LeavingInstance[], stoppedAgoMs: number): Promise<void>
  /** The app's state has changed: tell the gateway. */
  changed(): void
  /** An inbox that was full has room again. */
  room(): void
  /** Opens what the app's modules will ask for and what takes its time, so that no turn has to wait for it. */
  openData(app: string, interfaces: ReadonlySet<string>): Promise<void>
  /** Removes what the app's modules have stored beside the journal. */
  forgetData(app: string): Promise<void>
  /** Contents may have become useless. */
  settled(): void
}

export interface JournalPort {
  kv(instance: InstanceKey): ReadonlyMap<string, Uint8Array>
  state(instance: InstanceKey): { readonly release: string; readonly bytes: Uint8Array } | null
  handled(instance: InstanceKey, source: Uint8Array): number
  forget(app: string): void
  /** All of an app that have left something behind here. */
  instancesOf(app: string): InstanceKey[]
  /** An instance goes on from what it was elsewhere: by one move once, however often this is called. What it took over; null where that was before. */
  moveIn(
    instance: InstanceKey,
    from: { readonly move: number; readonly turns: number; readonly kept: Uint8Array },
  ): Pick<Kept, 'timer'> | null
  /** Keeps state and kv of an app as they are, to go back to; a mark that stands already stays as it is. */
  markFlip(app: string, epoch: number): void
  /** Goes back to what was marked: how many turns that loses. */
  revertFlip(app: string): number
  settleFlip(app: string): void
  /** The epoch of the mark that stands. */
  flipOf(app: string): number | null
  /** Resolves when what was journaled so far is durable. */
  sync(): Promise<void>
}
