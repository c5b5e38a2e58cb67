import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '@hypha/core/platform/log.ts'
import { type ChildAgent, hasJoined, joinChildAgent, startChildAgent } from './child-agent.ts'

export interface EdgeAgentOptions {
  readonly home: string
  readonly json: boolean
  readonly log: Log
  /** A join URL for the edge node; asked for only when it has not joined yet. */
  readonly invite: () => Promise<string>
}

const name = 'edge agent'

// A site's edge node keeps the apps' databases; what else it provides, its owner writes into the same file.
const nodeFile = `# The edge node that runs beside the gateway.\n\n[sql]\n`

/** Starts the gateway's own edge agent as a child process that joins like any other node, and starts it again when it dies. */
export async function startEdgeAgent({ home, json, log, invite }: EdgeAgentOptions): Promise<ChildAgent> {
  if (!hasJoined(home)) {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    const file = join(home, 'agent.toml')
    if (!existsSync(file)) writeFileSync(file, nodeFile)
    await joinChildAgent(home, await invite(), { name })
  }
  return startChildAgent({ home, name, json, log })
}
