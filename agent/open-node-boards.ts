import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { type Signer, signOne } from '@hypha/core/trust/cose.ts'
import { receipt } from '@hypha/core/trust/receipt.ts'
import { fromChild } from '@hypha/core/wire/messages/child.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import { type Boards, openBoards } from './boards/boards.ts'
import type { GatewayClock } from './clock-sync.ts'
import type { Link } from './link/link.ts'
import type { openContents } from './open-contents.ts'
import type { Verifier } from './verify/verifier.ts'

/** Receipts of boards that wait for a connection. */
const maxUnsent = 32

interface NodeBoardsPorts {
  readonly fleet: string
  readonly node: string
  /** With the node's own key. */
  readonly signer: Signer
  readonly topics: FleetTopics
  readonly clock: Clock
  readonly log: Log
  readonly files: Files
  readonly link: Link
  readonly incoming: Pick<Awaited<ReturnType<typeof openContents>>, 'receive' | 'contents'>
  readonly verifier: Pick<Verifier, 'judgeCommitFor'>
  readonly gatewayClock: Pick<GatewayClock, 'after' | 'estimate'>
  readonly changed: () => void
  readonly follow: (apps: readonly string[]) => void
  readonly onProblem: (error: HyphaError) => void
}

/** The boards at this node's serial ports, joined to its link: what is retained for them is heard, what they say goes up. */
export function openNodeBoards(ports: NodeBoardsPorts): Boards {
  const { node, topics, clock, log, files, link, incoming, verifier, gatewayClock, onProblem } = ports
  /** Receipts of boards that the broker hasn't acknowledged. */
  let unsent: Uint8Array[] = []
  const sendReceipts = () => {
    for (const envelope of unsent) {
      link.publish(topics.up(node, 'receipt'), envelope, { qos: 1 }).then(
        () => {
          unsent = unsent.filter((other) => other !== envelope)
        },
        () => {
          // Offline, or cut in between: it goes with the next connection.
        },
      )
    }
  }
  const boards = openBoards(process.env.HYPHA_BRIDGE, clock, log, {
    files,
    crypto: nodeCrypto,
    changed: ports.changed,
    async receive(content, app) {
      await incoming.receive(content, app, new AbortController().signal)
      const bytes = incoming.contents.read(content.digest)
      if (bytes !== null) return bytes
      throw new HyphaError('content-missing', `A content of ${app} for a board is not on this node any more`)
    },
    judge(app, envelope, to) {
      try {
        return verifier.judgeCommitFor(to, app, envelope)
      } catch (thrown) {
        onProblem(asHyphaError(thrown))
        return null
      }
    },
    at: (instantMs, reached) => gatewayClock.after(instantMs, reached),
    gatewayTime: () => {
      const estimate = gatewayClock.estimate()
      if (estimate === null) return { ms: clock.now(), errorMs: Number.POSITIVE_INFINITY }
      return { ms: clock.monotonic() + estimate.offsetMs, errorMs: estimate.errorMs }
    },
    attest: ({ report, ...said }) => {
      const attested = { by: node, report }
      const envelope = signOne(receipt.encode({ ...said, fleet: ports.fleet, attested }), 'receipt', ports.signer)
      unsent = [...unsent, envelope].slice(-maxUnsent)
      sendReceipts()
    },
    isOnline: () => link.state === 'online',
    say: (word) => {
      link.publish(topics.up(node, 'child'), fromChild.encode(word), { qos: 0 }).catch(() => {
        // What isn't acknowledged is said again.
      })
    },
    follow: ports.follow,
  })
  const guarded = (run: () => void) => {
    try {
      run()
    } catch (thrown) {
      onProblem(asHyphaError(thrown))
    }
  }
  link.subscribe(topics.down(node, 'children'), (_topic, message) => {
    if (message.length > 0) guarded(() => boards.directives(message))
  })
  link.subscribe(topics.down(node, 'child'), (_topic, message) => guarded(() => boards.word(message)))
  return {
    ...boards,
    online() {
      sendReceipts()
      boards.online()
    },
  }
}
