import type { InputId, InstanceKey, TurnRecord } from '../turns.ts'
import type { InstanceEffects } from './protocol.ts'

interface TurnFacts {
  readonly epoch: number
  readonly release: string
  readonly input: InputId | null
  readonly outcome: TurnRecord['outcome']
}

/** What a turn left behind at one instance, as its part of the turn's journal record. */
export function toRecord(instance: InstanceKey, facts: TurnFacts, effects: InstanceEffects | undefined): TurnRecord {
  const { epoch, release, input, outcome } = facts
  return {
    instance,
    epoch,
    input,
    outcome,
    samples: effects?.samples ?? [],
    logs: effects?.logs ?? [],
    messages: effects?.messages ?? [],
    kv: effects?.kv ?? [],
    state: effects?.state ? { release, bytes: effects.state } : null,
  }
}
