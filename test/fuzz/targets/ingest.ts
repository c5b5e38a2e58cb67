import { presence } from '@hypha/core/wire/messages/presence.ts'
import { openStore } from '../../../gateway/store/store.ts'
import { incarnation, message, packed, sample, testIngest } from '../../gateway/ingest/support.ts'
import { addNode, t0 } from '../../gateway/store/support.ts'
import { reads, refusal, type Target } from '../target.ts'

export const ingestTarget: Target = {
  name: 'ingest',
  about: 'what a node reports, all the way into the database',
  maxBytes: 4_096,
  short: 400,
  prepare() {
    const store = openStore(':memory:', { fleet: 'greens' })
    addNode(store, 'pi-7')
    const { ingest, told } = testIngest(store)
    const log = {
      at: t0,
      entry: {
        kind: 'log' as const,
        app: 'greenhouse',
        module: 'sampler',
        home: null,
        level: 'warn' as const,
        text: 'dry',
      },
    }
    return {
      seeds: [
        packed(1, [sample(1), sample(2), message('a/b', Uint8Array.of(1)), log]),
        packed(1, [sample(1), null, sample(3)], { after: 0 }),
        presence.encode({ connection: 1, online: true, run: incarnation, journal: { incarnation, upTo: 4 } }),
      ],
      run(input) {
        for (const calls of Object.values(told)) calls.length = 0
        const results = [
          reads(() => ingest.onReport('pi-7', input)),
          reads(() => ingest.onState('pi-7', input)),
          reads(() => ingest.onPresence('pi-7', input)),
        ]
        ingest.flush()
        // What fails afterwards is told, and must not be a defect either.
        const failed = told.failed.map(([error]) => refusal(error))
        const acked = told.ack.length > 0 ? 'acknowledged' : 'not acknowledged'
        const events = told.events.flatMap(([list]) =>
          list.map(({ text }) => text.replace(/\d+|"[^"]*"/g, '_').slice(0, 50)),
        )
        return [
          acked,
          ...events,
          ...failed,
          ...results.map((result) => ('refused' in result ? result.refused : 'taken')),
        ].join('; ')
      },
      close: () => store.close(),
    }
  },
}
