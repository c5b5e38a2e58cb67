import type { PrepareState, SectionState } from '../../../src/wire/messages/state.ts'
import { reports, type TestGateway } from '../api/gateway.ts'

// Nodes that say what a test has them say.

/** The newest section that a node was told of. */
export const told = (gateway: TestGateway, node: string, app = 'greenhouse') =>
  gateway.store.directives
    .get(node)!
    .directive.sections.filter((section) => section.app === app)
    .at(-1)!

/** What a node says of the newest section that it was told of. */
export async function says(
  gateway: TestGateway,
  node: string,
  status: PrepareState['status'] | 'confirmed' | 'trial' | 'reverted',
  changes: Partial<SectionState> = {},
): Promise<void> {
  const { app, epoch, release, wave } = told(gateway, node)
  const { version } = gateway.store.directives.get(node)!
  const runs = status === 'confirmed' || status === 'trial' || status === 'reverted'
  const prepare = runs
    ? null
    : {
        epoch,
        release,
        wave: wave ?? 0,
        status,
        code: null,
        message: null,
        rehearsal: null,
        clock: { rttMs: 4, errorMs: 2 },
      }
  const section: SectionState = {
    app,
    epoch: runs ? epoch : 0,
    release,
    status: runs ? status : 'confirmed',
    code: null,
    message: null,
    running: null,
    instances: [],
    prepare,
    ...changes,
  }
  reports(gateway, node, gateway.store.nodes.get(node)!.tier, { directive: version, sections: [section] })
  await settled()
}

export const settled = () => new Promise((resolve) => setImmediate(resolve))

export const leaves = (gateway: TestGateway, node: string): void => is(gateway, node, 2, false)

export const comes = (gateway: TestGateway, node: string): void => is(gateway, node, 3, true)

function is(
  gateway: Pick<TestGateway, 'clock' | 'store' | 'reports'>,
  node: string,
  connection: number,
  online: boolean,
) {
  gateway.store.nodes.setPresence(node, { connection, online, run: null, journal: null }, gateway.clock.now())
  gateway.reports.presence(node, online)
}
