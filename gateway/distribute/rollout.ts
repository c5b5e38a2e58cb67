import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import type { NodeState, PrepareState, SectionState } from '@hypha/core/wire/messages/state.ts'

/** What is known of a node: what it was told, and what it said of itself. */
export interface RolloutNode {
  readonly node: string
  readonly online: boolean
  /** Its current directive; null before the first. */
  readonly directive: Directive | null
  /** Its last state, and when it came (ms since 1970); null before the first. */
  readonly state: { readonly value: NodeState; readonly at: number } | null
  /** Bytes of the app's release that it holds, as it last reported; null where it didn't. */
  readonly progress: { readonly epoch: number; readonly bytes: number; readonly ofBytes: number } | null
  /** Why it is to run something else than its directive says by now, in a sentence: its wave comes later. Null or absent where it isn't. */
  readonly later?: string | null
}

type RolloutStatus =
  /** The node hasn't taken up its directive. */
  | 'waiting'
  | SectionState['status']
  /** Of what it prepares beside what runs: ready; a commit has come; it failed at the flip, and what ran before runs on. */
  | 'prepared'
  | 'committed'
  | 'not-flipped'
  /** The app isn't to run there any more, and the node still has it. */
  | 'removing'

interface NodeRollout {
  readonly node: string
  readonly online: boolean
  /** The epoch that it is to run; 0 where the app is to go. */
  readonly epoch: number
  readonly status: RolloutStatus
  readonly bytes: number
  readonly ofBytes: number
  readonly code: string | null
  readonly message: string | null
  /** When the node last said something about itself; null if it never did. */
  readonly reportedAt: number | null
  /** What has to happen before it is done, in a sentence; null when it is. */
  readonly waitsFor: string | null
}

export interface Rollout {
  readonly app: string
  /** The highest epoch that a node is to run; 0 where none is. */
  readonly epoch: number
  /** Every node that is concerned reports that it runs what it should. */
  readonly done: boolean
  readonly nodes: readonly NodeRollout[]
}

/**
 * How far an app is on its way to the fleet: nothing but what nodes were told and what they report, so that it can't be stuck without saying what it waits for.
 */
export function rolloutOf(app: string, nodes: readonly RolloutNode[]): Rollout {
  const views = nodes.map((node) => viewOf(app, node)).filter((view) => view !== null)
  return {
    app,
    epoch: Math.max(0, ...views.map(({ epoch }) => epoch)),
    done: views.every(({ waitsFor }) => waitsFor === null),
    nodes: views.sort((a, b) => (a.node < b.node ? -1 : 1)),
  }
}

/** Null for a node that the app doesn't concern. */
function viewOf(app: string, known: RolloutNode): NodeRollout | null {
  const { node, online, directive, state, progress } = known
  const own = directive?.sections.filter((candidate) => candidate.app === app) ?? []
  // What is prepared is what it is on its way to.
  const section = own.find(({ phase }) => phase === 'prepare') ?? own[0]
  const reported = state?.value.sections.find((candidate) => candidate.app === app)
  if (!section && !reported && !known.later) return null

  const size = section?.contents.reduce((sum, { transfer }) => sum + transfer.size, 0) ?? 0
  const heard = progress !== null && section !== undefined && progress.epoch === section.epoch
  const status = section && reported && phaseOf(section, reported)
  const whole = status !== undefined && status !== null && status !== 'receiving'
  const view = {
    node,
    online,
    epoch: section?.epoch ?? 0,
    bytes: whole ? size : heard ? progress.bytes : 0,
    ofBytes: heard && !whole ? progress.ofBytes : size,
    reportedAt: state?.at ?? null,
  }
  return { ...view, ...judge(known, section, reported) }
}

type Judgement = Pick<NodeRollout, 'status' | 'code' | 'message' | 'waitsFor'>

/** Whether what the node reports is about the section that it was given. */
const taken = (section: Section, reported: SectionState): boolean =>
  reported.epoch === section.epoch && bytesEqual(reported.release, section.release)

function judge(known: RolloutNode, section: Section | undefined, reported: SectionState | undefined): Judgement {
  const { node, directive, state } = known
  const waiting = (waitsFor: string): Judgement => ({ status: 'waiting', code: null, message: null, waitsFor })
  const behind = directive !== null && (state?.value.directive ?? 0) < directive.version
  const refused = state?.value.refused ?? null
  if (refused && behind) {
    const waitsFor = `${node} refused its directive: ${refused.message}. It goes on with the next one that it can accept`
    return { status: 'refused', code: refused.code, message: refused.message, waitsFor }
  }
  if (!section && !reported) return waiting(known.later!)
  if (!section) {
    return { status: 'removing', code: null, message: null, waitsFor: `${reach(known)} to remove the app` }
  }
  const prepared = reported && !runs(section, reported) ? prepareOf(section, reported) : null
  if (prepared !== null) {
    const { status, code, message } = prepared
    return { status, code, message, waitsFor: waitsForPrepare(known, prepared, reported!) }
  }
  if (!reported || !taken(section, reported)) {
    // It has read it and can't write it down, such as on a full disk.
    if (!behind && refused) {
      const { code, message } = refused
      return { ...waiting(`${reach(known)} to take directive ${directive!.version}: ${message}`), code, message }
    }
    if (!behind) return waiting(`${reach(known)} to begin with epoch ${section.epoch}`)
    const holds = state ? `it holds ${state.value.directive}` : 'it has never reported'
    return waiting(`${reach(known)} to take directive ${directive!.version}; ${holds}`)
  }
  const { status, code, message } = reported
  const waitsFor = waitsForPhase(known, section, reported)
  return waitsFor === null && known.later ? waiting(known.later) : { status, code, message, waitsFor }
}

/** What the node reports of a section that it is to prepare, and doesn't run yet. */
const prepareOf = (section: Section, { prepare }: SectionState): PrepareState | null =>
  section.phase === 'prepare' && prepare?.epoch === section.epoch && bytesEqual(prepare.release, section.release)
    ? prepare
    : null

/** It has gone beyond what it prepares. */
const runs = (section: Section, reported: SectionState): boolean =>
  taken(section, reported) && reported.status !== 'receiving' && reported.status !== 'preparing'

function phaseOf(section: Section, reported: SectionState): RolloutStatus | null {
  const prepared = runs(section, reported) ? null : prepareOf(section, reported)
  return prepared?.status ?? (taken(section, reported) ? reported.status : null)
}

function waitsForPrepare(
  known: RolloutNode,
  { epoch, status, code, message }: PrepareState,
  { running }: SectionState,
): string {
  const { node, progress } = known
  const failure = message ?? code ?? 'without a reason'
  const meanwhile = running === null ? nothingRuns : 'what ran before runs on'
  switch (status) {
    case 'receiving': {
      const held = progress?.epoch === epoch ? `, of which it has ${progress.bytes} of ${progress.ofBytes} bytes` : ''
      return `${reach(known)} to receive the release${held}`
    }
    case 'preparing':
      return `${reach(known)} to make the release ready beside what runs`
    case 'prepared':
      return `waits for the others: ${node} has prepared the release, and runs it when the gateway says so`
    case 'committed':
      return `${reach(known)} to flip at the instant that the gateway has named`
    case 'not-flipped':
      return `waits for another release: ${node} could not flip to this one (${failure}), and ${meanwhile}`
    case 'refused':
      return `waits for another release: ${node} could not prepare this one (${failure}), and ${meanwhile}`
  }
}

/** Where it is an app's first release, there is none to go on with. */
const nothingRuns = 'nothing of the app runs there'

function reach({ node, online, state }: RolloutNode): string {
  if (online) return `waits for ${node}`
  const since = state ? `it last reported at ${new Date(state.at).toISOString()}` : 'it was never seen'
  return `waits for ${node} to come online (${since}), and then`
}

function waitsForPhase(known: RolloutNode, section: Section, reported: SectionState): string | null {
  const { node, progress } = known
  const failure = reported.message ?? reported.code ?? 'without a reason'
  const { running } = reported
  switch (reported.status) {
    case 'receiving': {
      const held =
        progress && progress.epoch === section.epoch
          ? `, of which it has ${progress.bytes} of ${progress.ofBytes} bytes`
          : ''
      return `${reach(known)} to receive the release${held}`
    }
    case 'preparing':
      return `${reach(known)} to verify the release and make it ready`
    case 'trial':
      return `${reach(known)} to confirm the release, which runs there on trial${trouble(reported)}`
    case 'confirmed':
      return null
    case 'reverted':
      return `waits for another release: on ${node} it failed (${failure}), and ${running === null ? nothingRuns : 'the one before runs again'}`
    case 'refused':
      return `waits for another release: ${node} refused this one (${failure})${running === null ? `, and ${nothingRuns}` : ''}`
  }
}

function trouble({ instances }: SectionState): string {
  const ill = instances.find(({ status }) => status === 'backoff' || status === 'failed')
  return ill ? `; ${ill.module} is in ${ill.status}${ill.error === null ? '' : ` (${ill.error})`}` : ''
}
