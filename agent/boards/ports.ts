import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import type { Content, Directive } from '@hypha/core/trust/directive.ts'
import type { CommitOutcome } from '@hypha/core/trust/judge-commit.ts'
import type { FromChild } from '@hypha/core/wire/messages/child.ts'
import type { Attested, Moment } from './board-receipts.ts'

/** What boards need of the node that they are at. */
export interface BoardPorts {
  /** The reports of boards are kept in its folder `boards`. */
  readonly files: Files
  readonly crypto: Pick<Crypto, 'sha256'>
  /** What `children` answers has changed. */
  changed(): void
  /** The bytes of a transfer that a board's directive lists, once they are here. */
  receive(content: Content, app: string): Promise<Uint8Array>
  /** Judges a commit of an app against what a board is told; null where it isn't the gateway's. */
  judge(app: string, envelope: Uint8Array, to: Directive): CommitOutcome | null
  /** Calls back at an instant of the gateway's clock. */
  at(instantMs: number, reached: () => void): () => void
  /** The gateway's clock, as this node estimates it. */
  gatewayTime(): Moment
  /** Signs what a board's flip was like in its place, and sends it until it is heard. */
  attest(said: Attested): void
  readonly isOnline: () => boolean
  /** To the gateway; what gets lost is said again. */
  say(word: FromChild): void
  /** Apps whose commits concern boards. */
  follow(apps: readonly string[]): void
}
