import type { LogLevel } from '@hypha/core/wire/messages/report.ts'

/** The most that one turn of an instance may leave behind, so that it can be one record of the journal. */
export const maxTurn = { samples: 16_384, logs: 256, messageBytes: 1024 * 1024 } as const

/** What the running turn has done so far at one instance: held back until it returns. */
export class TurnEffects {
  samples: { metric: string; value: number; atMs: number }[] = []
  logs: { level: LogLevel; text: string; atMs: number }[] = []
  messages: { topic: string; payload: Uint8Array; atMs: number }[] = []
  messageBytes = 0
  /** The last word on each key; null deletes it. */
  kv = new Map<string, Uint8Array | null>()
  throttled = { samples: 0, messages: 0, logs: 0 }

  get empty(): boolean {
    return (
      this.samples.length === 0 &&
      this.logs.length === 0 &&
      this.messages.length === 0 &&
      this.kv.size === 0 &&
      this.throttled.samples + this.throttled.messages + this.throttled.logs === 0
    )
  }

  /** Begins anew; what was held back is dropped, or has been taken. */
  clear(): void {
    this.samples = []
    this.logs = []
    this.messages = []
    this.messageBytes = 0
    if (this.kv.size > 0) this.kv = new Map()
    this.throttled = { samples: 0, messages: 0, logs: 0 }
  }
}
