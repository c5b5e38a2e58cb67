import { HyphaError } from '@hypha/core/errors.ts'
import { checkTopic } from '@hypha/core/wire/topics.ts'
import type { TurnRecord } from '../turns.ts'

const maxPayloadBytes = 32_768
const maxLogChars = 4_096

const wholeMs = (ms: number): number => (Number.isInteger(ms) && ms >= 0 ? ms : Math.max(0, Math.round(ms) || 0))

/**
 * A turn as a report can carry it: whole milliseconds, log lines that are cut at their cap. Throws `topic-invalid` or `bytes-too-long` for messages that no report
 * can carry. (The names are checked where they are first written.)
 */
export function presentable(record: TurnRecord): TurnRecord {
  for (const { topic, payload } of record.messages) {
    checkTopic(topic)
    if (payload.length > maxPayloadBytes) {
      throw new HyphaError(
        'bytes-too-long',
        `a message has ${payload.length} bytes, at most ${maxPayloadBytes} are carried`,
      )
    }
  }
  return {
    ...record,
    samples: record.samples.map(({ metric, value, atMs }) => ({ metric, value, atMs: wholeMs(atMs) })),
    logs: record.logs.map(({ level, text, atMs }) => ({
      level,
      text: text.slice(0, maxLogChars),
      atMs: wholeMs(atMs),
    })),
    messages: record.messages.map(({ topic, payload, atMs }) => ({ topic, payload, atMs: wholeMs(atMs) })),
  }
}
