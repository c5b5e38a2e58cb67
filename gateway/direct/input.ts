import type { Directive, HandedState, Setting, Transfer } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import type { Plan } from '../plan.ts'

/** A node that is in the fleet, or is on its way out of it. */
export interface DirectNode {
  readonly id: string
  /** It is to leave. */
  readonly removed: boolean
  /** The last directive that was made for it; null before the first. */
  readonly last: Directive | null
  /** As it reported them: built-in apps whose releases it installs by itself, and its architecture; absent before its first report. */
  readonly installs?: { readonly apps: readonly string[]; readonly arch: string } | null
  /** The key that signed `last` was replaced, and nodes have forgotten its counters: the directive is made anew, and its versions begin anew. */
  readonly signerReplaced?: boolean
  /** Apps whose section stays word for word as it is in `last`, whatever the plans say: the node runs there what this gateway doesn't know. */
  readonly carried?: ReadonlySet<string>
  /** The directive that a board says that it holds: it can't prove that it does, and takes none below. 0 or absent where it isn't above `last`. */
  readonly held?: number
  /** A board whose flash can't hold what it runs and what it prepares in one directive: it is told the next release only once the commit of its wave has settled. [P 15.7] */
  readonly late?: boolean
  /** Epochs, by app, that it refuses for a patch that came to nothing: what comes as one there is to come in another way. */
  readonly refusedPatches?: ReadonlyMap<string, number>
}

/** Who alone may have an instance, whatever plans say. */
export interface HeldBy {
  readonly name: string
  readonly node: string
  /** It is to run there; else it has let go of it, or is about to. */
  readonly ready: boolean
  /** Another node that it was on, or was to be on. */
  readonly elsewhere: string
  /** What it goes on from there; null for nothing, or for what the node has itself. */
  readonly state: HandedState | null
}

/** An app with the plan that is to be in force. */
export interface DirectApp {
  readonly plan: Plan
  readonly release: Release
  /** Of the release's payload, 32 bytes. */
  readonly digest: Uint8Array
  /** The signed release as a content. */
  readonly envelope: { readonly digest: Uint8Array; readonly size: number }
  /** The highest epoch that any section of the app has had; 0 before the first. */
  readonly epoch: number
  /** When its release was pushed or rolled back to, ms since 1970; absent where that was never written down. */
  readonly chosenMs?: number
  /** The last commit of the app: sections to prepare of its epoch, and of its wave or an earlier one, are what is to run. Null before the first. */
  readonly committed?: { readonly epoch: number; readonly wave: number } | null
  /** Instances that one node at a time may have, by `module@home`; those that aren't named are wherever the plan has them. */
  readonly holders?: ReadonlyMap<string, HeldBy>
  /** The rollout that it is in; `plan` is what runs meanwhile. Absent where there is none. */
  readonly rollout?: DirectRollout
}

/** An app on its way to another release. Nodes that are in none of its waves are told what today's plan says. */
export interface DirectRollout {
  readonly next: Omit<DirectApp, 'epoch' | 'committed' | 'rollout'>
  /** Of the sections to prepare: above every epoch that the app has had. */
  readonly epoch: number
  /** The lowest under which nodes of its waves run it: a later wave may have a higher epoch than the first. */
  readonly since: number
  /** Of each node that it concerns. */
  readonly waves: ReadonlyMap<string, number>
  /** The wave that prepares; null where none does. */
  readonly preparing: number | null
  /** The last wave whose commit was given; -1 before the first. */
  readonly committed: number
  /** Nodes that go on with what they were told to run, whatever was committed since: they haven't come to that, and are not to any more. */
  readonly kept?: ReadonlySet<string>
  /** Its instant has passed, and its nodes are told for good what they run. */
  readonly settled: boolean
}

/** Whether it is between two waves: then nodes may be told that an instance has come to them, or left them. */
export const isResting = ({ preparing, settled }: Pick<DirectRollout, 'preparing' | 'settled'>): boolean =>
  preparing === null && settled

export interface DirectInput {
  readonly fleet: string
  readonly nodes: readonly DirectNode[]
  readonly apps: readonly DirectApp[]
  /**
   * What the operator set for an instance. Equal settings must be equal to the byte, sealed ones too: what differs is a new directive, and a restart.
   */
  readonly settings: (instance: {
    readonly app: string
    readonly module: string
    readonly node: string
  }) => Readonly<Record<string, Setting>>
  /** How a content gets to a node. Asked only where the node's section is new. */
  readonly transfer: (node: string, content: { readonly digest: Uint8Array; readonly size: number }) => Transfer
  /** Milliseconds since 1970. */
  readonly now: number
  readonly lifetimeMs: number
}
