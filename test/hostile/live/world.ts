import { rmSync } from 'node:fs'
import { copyFixture, type Facts } from './fixture.ts'
import { RealGateway } from './real-gateway.ts'
import { Victim } from './victim.ts'

/** What the attacks are against: a gateway and an agent that run, each a process of its own. */
export interface World {
  readonly folder: string
  readonly facts: Facts
  readonly gateway: RealGateway
  readonly victim: Victim
  close(): Promise<void>
}

export async function startWorld(fixture: string): Promise<World> {
  const { folder, facts } = copyFixture(fixture)
  const [gateway, victim] = await Promise.all([RealGateway.start(folder, facts), Victim.start(folder, facts)])
  return {
    folder,
    facts,
    gateway,
    victim,
    async close() {
      await Promise.all([gateway.close(), victim.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
