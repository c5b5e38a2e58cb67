import type { JournalEntry } from '@hypha/agent/report/cursor.ts'
import { type Journal, type JournalOptions, openJournal } from '@hypha/agent/report/journal.ts'
import type { InstanceKey, TurnRecord } from '@hypha/agent/turns.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { FakeClock } from './fake-clock.ts'

export const sampler: InstanceKey = { app: 'greenhouse', module: 'sampler', home: 'pi-7' }
export const ledger: InstanceKey = { app: 'greenhouse', module: 'ledger', home: null }
export const gatewaySource = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)

const nothing = {
  epoch: 1,
  input: null,
  outcome: 'ok',
  samples: [],
  logs: [],
  messages: [],
  kv: [],
  state: null,
} as const

export function turn(parts: Partial<TurnRecord>): TurnRecord {
  return { instance: sampler, ...nothing, ...parts }
}

export interface Opened {
  readonly files: Files
  readonly clock?: FakeClock
  readonly bootId?: string
  readonly options?: Partial<JournalOptions>
}

let state = 1
const nextByte = (): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return state >>> 24
}

export function open({ files, clock = new FakeClock(), bootId = 'boot-1', options = {} }: Opened): Promise<Journal> {
  const random = (count: number) => Uint8Array.from({ length: count }, nextByte)
  return openJournal({ files, clock, random, bootId, options })
}

/** Everything that may be sent. */
export function entries(journal: Journal, from = 1): JournalEntry[] {
  const cursor = journal.read(from)
  const found: JournalEntry[] = []
  for (let entry = cursor.peek(); entry; entry = cursor.peek()) {
    found.push(entry)
    cursor.take()
  }
  cursor.close()
  return found
}

/** Lets what was begun run as far as it can without time passing. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 60; round++) await null
}

/** What a test compares: one line for each entry. */
export function line(entry: JournalEntry): string {
  if (entry.kind === 'sample') return `${entry.sequence} ${entry.metric}=${entry.value}@${entry.atMs}`
  const said = entry.entry
  switch (said.kind) {
    case 'log':
      return `${entry.sequence} log ${said.text}`
    case 'message':
      return `${entry.sequence} message ${said.topic} ${said.payload.join()}`
    case 'handled':
      return `${entry.sequence} handled ${said.number} ${said.outcome}`
    default:
      return `${entry.sequence} ${said.kind}`
  }
}
