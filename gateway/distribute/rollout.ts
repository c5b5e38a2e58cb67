import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import type { NodeState, SectionState } from '@hypha/core/wire/messages/state.ts'

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
}

type RolloutStatus =
  /** The node hasn't taken up its directive. */
  | 'waiting'
  | SectionState['status']
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
  const section = directive?.sections.find((candidate) => candidate.app === app)
  const reported = state?.value.sections.find((candidate) => candidate.app === app)
  if (!section && !reported) return null

  const size = section?.contents.reduce((sum, { transfer }) => sum + transfer.size, 0) ?? 0
  const heard = progress !== null && section !== undefined && progress.epoch === section.epoch
  const whole =
    reported !== undefined && reported.status !== 'receiving' && section !== undefined && taken(section, reported)
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
  const refused = behind ? (state?.value.refused ?? null) : null
  if (refused) {
    const waitsFor = `${node} refused its directive: ${refused.message}. It goes on with the next one that it can accept`
    return { status: 'refused', code: refused.code, message: refused.message, waitsFor }
  }
  if (!section) {
    return { status: 'removing', code: null, message: null, waitsFor: `${reach(known)} to remove the app` }
  }
  if (!reported || !taken(section, reported)) {
    if (!behind) return waiting(`${reach(known)} to begin with epoch ${section.epoch}`)
    const holds = state ? `it holds ${state.value.directive}` : 'it has never reported'
    return waiting(`${reach(known)} to take directive ${directive!.version}; ${holds}`)
  }
  const { status, code, message } = reported
  return { status, code, message, waitsFor: waitsForPhase(known, section, reported) }
}

function reach({ node, online, state }: RolloutNode): string {
  if (online) return `waits for ${node}`
  const since = state ? `it last reported at ${new Date(state.at).toISOString()}` : 'it was never seen'
  return `waits for ${node} to come online (${since}), and then`
}

function waitsForPhase(known: RolloutNode, section: Section, reported: SectionState): string | null {
  const { node, progress } = known
  const failure = reported.message ?? reported.code ?? 'without a reason'
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
      return `waits for another release: on ${node} it failed (${failure}), and the one before runs again`
    case 'refused':
      return `waits for another release: ${node} refused this one (${failure})`
  }
}

function trouble({ instances }: SectionState): string {
  const ill = instances.find(({ status }) => status === 'backoff' || status === 'failed')
  return ill ? `; ${ill.module} is in ${ill.status}${ill.error === null ? '' : ` (${ill.error})`}` : ''
}
