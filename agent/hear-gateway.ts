import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Boards } from './boards/boards.ts'
import type { Calls } from './calls/calls.ts'
import type { Checkpoints } from './handover/checkpoints.ts'
import type { Link } from './link/link.ts'
import type { Pipeline } from './pipeline.ts'
import type { Renewal } from './renewal.ts'
import type { Shipper } from './report/shipper.ts'

export interface HearingParts {
  readonly node: string
  readonly topics: FleetTopics
  readonly link: Pick<Link, 'subscribe'>
  readonly pipeline: Pick<Pipeline, 'directive' | 'inputs'>
  /** Nothing new begins any more. */
  readonly ending: () => boolean
  readonly boards: Pick<Boards, 'roots'>
  readonly followRoot: (chain: readonly Uint8Array[]) => Promise<void>
  readonly renewal: Pick<Renewal, 'rootChanged'>
  readonly shipper: Pick<Shipper, 'onAck'>
  readonly checkpoints: Pick<Checkpoints, 'onAck'>
  readonly calls: Pick<Calls, 'receive'>
  readonly onProblem: (error: HyphaError) => void
}

/** Gives what the gateway and other nodes say to this node to the part that it is for. */
export function hearGateway(parts: HearingParts): void {
  const { node, topics, link, pipeline, ending, boards, followRoot, renewal, shipper, checkpoints, calls, onProblem } =
    parts
  /** Bad bytes are told, and change nothing. */
  const guard = (run: () => void) => {
    try {
      run()
    } catch (thrown) {
      onProblem(asHyphaError(thrown))
    }
  }
  // First, so that what is retained comes in the order in which it is judged.
  link.subscribe(topics.rootMetadata, (_topic, message) =>
    guard(() => {
      const { envelopes } = rootChain.decode(message)
      boards.roots(envelopes)
      followRoot(envelopes).then(
        () => renewal.rootChanged(),
        (thrown) => onProblem(asHyphaError(thrown)),
      )
    }),
  )
  link.subscribe(topics.down(node, 'directive'), (_topic, message) => {
    // An empty one only says that the broker keeps none any more.
    if (message.length > 0 && !ending()) void pipeline.directive(message)
  })
  link.subscribe(topics.down(node, 'ack'), (_topic, message) => shipper.onAck(message))
  link.subscribe(topics.down(node, 'checkpoint'), (_topic, message) => guard(() => checkpoints.onAck(message)))
  link.subscribe(topics.down(node, 'input'), (_topic, message) => guard(() => pipeline.inputs(message)))
  link.subscribe(topics.link(node, '+'), (topic, message) =>
    calls.receive(topic.slice(topic.lastIndexOf('/') + 1), message),
  )
}
