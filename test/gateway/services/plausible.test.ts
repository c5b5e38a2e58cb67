import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { expectCode, signDirective } from '../../support/signed.ts'
import { componentImporting, pushOf, startFleet, type TestGateway } from '../api/gateway.ts'

const operator = { name: 'local', role: 'admin' } as const
const most = 0xffff_ffff

async function withApp(): Promise<{ gateway: TestGateway; made: Directive }> {
  const gateway = await startFleet()
  const app = pushOf([{ name: 'ledger', component: await componentImporting('sql') }])
  await gateway.services.apps.push(pushBody.decode(app), operator)
  return { gateway, made: gateway.store.directives.get('gw-edge')!.directive }
}

test.each<[string, (made: Directive, section: Section, now: number) => Directive]>([
  ['version', (made) => ({ ...made, version: most })],
  ['epoch', (made, section) => ({ ...made, version: made.version + 1, sections: [{ ...section, epoch: most }] })],
  [
    'time',
    (made, section, now) => ({
      ...made,
      version: made.version + 1,
      sections: [{ ...section, epoch: section.epoch + 1, chosenMs: now + 2 * 86_400_000 }],
    }),
  ],
])(
  'a proof whose %s no gateway comes to changes nothing, and says that the key is to be replaced',
  async (_, change) => {
    const { gateway, made } = await withApp()
    const forged = change(made, made.sections[0]!, gateway.clock.now())
    expectCode('directive-versions-spent', () => gateway.reports.proof('gw-edge', signDirective(forged)))
    expect(gateway.store.directives.get('gw-edge')!.directive).toEqual(made)
    expect(gateway.store.epochs.of('greenhouse').floor).toBeLessThan(10)
    await gateway.services.config.set('greenhouse', 'level', { value: '1' }, operator)
    expect(gateway.store.directives.version('gw-edge')).toBe(made.version + 1)
  },
)
