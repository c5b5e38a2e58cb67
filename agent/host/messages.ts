import { checkTopic, topicMatches } from '@hypha/core/wire/topics.ts'
import { TokenBucket } from './bucket.ts'
import { maxTurn } from './effects.ts'
import { err, type HostContext, type HostFunctions, ok } from './host.ts'

/** As in `src/wire/messages/report.ts`. */
const maxPayloadBytes = 32_768

/** `hypha:host/messages`. */
export function messagesFunctions(context: HostContext): HostFunctions {
  const { effects, limits, publish } = context
  const bucket = new TokenBucket(limits.messagesPerS, () => context.monotonic())
  return {
    publish(topic: string, payload: Uint8Array) {
      if (!isTopic(topic)) return err('invalid-topic')
      if (!publish.some((filter) => topicMatches(filter, topic))) return err('not-granted')
      if (payload.length > maxPayloadBytes) return err('too-long')
      if (effects.messageBytes + payload.length > maxTurn.messageBytes || !bucket.take()) {
        effects.throttled.messages++
        return err('throttled')
      }
      effects.messageBytes += payload.length
      effects.messages.push({ topic, payload, atMs: context.now() })
      return ok()
    },
  }
}

function isTopic(topic: string): boolean {
  try {
    checkTopic(topic)
    return true
  } catch {
    return false
  }
}
