import { join } from 'node:path'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import type { SelfUpdate } from './agent-trial.ts'
import { defaultWatchLimits } from './update/machine.ts'
import { Slots } from './update/slots.ts'

/** In an agent that the launcher has started: the launcher names the slot, which is the SHA-256 of its program's archive. */
export function selfUpdate(home: string, online: () => boolean, restart: () => void): SelfUpdate | null {
  const slot = process.env.HYPHA_AGENT_SLOT ?? ''
  if (!/^[0-9a-f]{64}$/.test(slot)) return null
  const holdMs = Number(process.env.HYPHA_AGENT_TRIAL_MS ?? defaultWatchLimits.holdMs)
  const deadlineMs = Number(process.env.HYPHA_AGENT_TRIAL_DEADLINE_MS ?? defaultWatchLimits.deadlineMs)
  const limits = {
    holdMs: Number.isFinite(holdMs) ? holdMs : defaultWatchLimits.holdMs,
    deadlineMs: Number.isFinite(deadlineMs) ? deadlineMs : defaultWatchLimits.deadlineMs,
  }
  return { slots: new Slots(nodeFiles(join(home, 'agent')), slot), limits, online, restart }
}
