import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IngestOptions } from '../../../gateway/ingest/ingest.ts'
import { ack } from '../../../src/wire/messages/ack.ts'
import { presence } from '../../../src/wire/messages/presence.ts'
import { type ReportEntry, report as reportMessage } from '../../../src/wire/messages/report.ts'
import { makeDirective } from '../../support/signed.ts'
import { addNode, addRelease, t0, temporaryPath, temporaryStore } from '../store/support.ts'
import { incarnation, instance, message, packed, packReport, sample, storedValues, testIngest } from './support.ts'

// Whose word counts: a node's own, about what it was put in charge of, from one machine, with a journal that goes forward.

const run = (number: number) => new Uint8Array(8).fill(number)

const started = (path = temporaryPath(), known = false, options: Partial<IngestOptions> = {}) => {
  const store = temporaryStore({}, path)
  if (!known) {
    addNode(store, 'pi-7')
    addNode(store, 'edge')
    addRelease(store, 'greenhouse')
    store.given.assign('pi-7', instance)
  }
  // Not the tests' default, which lets everybody speak for everything.
  const tested = testIngest(store, { mayReport: undefined as never, ...options })
  const say = (which: number | null, connection: number, online = true, journal: number | null = null) =>
    tested.ingest.onPresence(
      'pi-7',
      presence.encode({
        run: which === null ? null : run(which),
        connection,
        online,
        journal: journal === null ? null : { incarnation, upTo: journal },
      }),
    )
  /** A connection that begins to read; its will names the run. */
  const connects = (which: number | null, connection: number) => {
    const will = { run: which === null ? null : run(which), connection, online: false, journal: null }
    tested.ingest.onConnection('pi-7', presence.encode(will))
  }
  return { store, ...tested, say, connects, isCloned: () => store.nodes.get('pi-7')!.clonedAt !== null }
}

const event = (over: Partial<Extract<ReportEntry, { kind: 'event' }>>) => ({
  at: t0,
  entry: { kind: 'event' as const, ...instance, code: 'trap', text: 'it trapped', ...over },
})

describe('A node speaks for the instances that a plan put on it', () => {
  it('now or before, and for no others: what it says of those is passed over with an event, and the rest is stored', () => {
    const { store, take, told, codes } = started()
    store.given.assign('edge', { app: 'greenhouse', module: 'ledger', home: null })
    const entries = [
      sample(1),
      event({}),
      event({ module: 'ledger', home: null }),
      message('out', new Uint8Array(3)),
      {
        at: t0,
        entry: {
          kind: 'message' as const,
          app: 'greenhouse',
          module: 'ledger',
          home: null,
          topic: 'x',
          payload: new Uint8Array(),
          served: null,
        },
      },
      event({ module: null, home: null }),
      event({ app: null, module: null, home: null, code: 'node' }),
    ]
    expect(take(packed(1, entries))).toMatchObject({ upTo: 7 })
    expect(storedValues(store)).toEqual([1])
    expect(told.messages.flatMap(([messages]) => messages.map(({ topic }) => topic))).toEqual(['out'])
    expect(codes().sort()).toEqual(['node', 'not-assigned', 'trap', 'trap'])
    expect(store.events.list().find(({ code }) => code === 'not-assigned')!.text).toContain('greenhouse/ledger')
    // The very same of another node: it was put in charge of nothing of this.
    expect(take(packed(1, [sample(2), event({})]), 'edge')).toMatchObject({ upTo: 2 })
    expect(storedValues(store)).toEqual([1])
    expect(told.values.flatMap(([values]) => values.map(({ node }) => node))).toEqual(['pi-7'])
  })

  it('of before: what it counted then is stored, and what it would say now in the name of who has the instance today goes nowhere', () => {
    const ledger = { app: 'greenhouse', module: 'ledger', home: null }
    let today = 'pi-7'
    const { store, take, told, codes } = started(undefined, false, {
      runsNow: (node, { module }) => module !== 'ledger' || node === today,
    })
    for (const node of ['pi-7', 'edge']) store.given.assign(node, ledger)
    const ofLedger = (first: number, value: number) => {
      const { series, ...report } = packReport(first, [
        sample(value),
        { at: t0, entry: { kind: 'message', ...ledger, topic: 'out', payload: new Uint8Array(3), served: null } },
        event(ledger),
        { at: t0, entry: { kind: 'log', ...ledger, level: 'info', text: 'counted' } },
      ])
      return reportMessage.encode({ ...report, series: series.map((each) => ({ ...each, ...ledger })) })
    }
    take(ofLedger(1, 1))
    today = 'edge'
    expect(take(ofLedger(5, 2))).toMatchObject({ upTo: 8 })
    expect(storedValues(store)).toEqual([1, 2])
    expect(told.logs).toHaveLength(2)
    expect(told.messages.flat(2)).toHaveLength(1)
    expect(told.values.flat(2).map(({ value }) => value)).toEqual([1])
    expect(codes()).toEqual(['trap', 'trap', 'not-assigned'])
    expect(store.events.list().find(({ code }) => code === 'not-assigned')!.text).toContain('has on another node')
  })

  it('a board also of before, for what it published before it was told otherwise: it hands nothing over, and its node may bring it late', () => {
    let runs = true
    const routed: unknown[] = []
    const { store, take, told, codes } = started(undefined, false, {
      runsNow: () => runs,
      route: ({ served }) => {
        routed.push(served)
        return []
      },
    })
    addNode(store, 'mcu-1')
    store.nodes.setParent('mcu-1', 'pi-7')
    store.given.assign('mcu-1', instance)
    const after = makeDirective({ node: 'mcu-1', version: 2, issuedMs: t0 + 500, sections: [] })
    store.directives.put(after, new Uint8Array(8))
    take(packed(1, [message('first', new Uint8Array())]), 'mcu-1')
    runs = false
    const late = [message('late', new Uint8Array(), t0 + 499), message('stale', new Uint8Array(), t0 + 501)]
    take(packed(2, late), 'mcu-1')
    expect(told.messages.flat(2).map(({ topic }) => topic)).toEqual(['first', 'late'])
    expect(codes()).toEqual(['not-assigned'])
    // To whom it goes, no plan says: a board has served nobody.
    expect(routed).toEqual([[], []])
  })

  it('and for none of an app that it runs nothing of', () => {
    const { take, codes } = started()
    take(packed(1, [event({ module: null, home: null })]), 'edge')
    expect(codes()).toEqual(['not-assigned'])
  })
})

describe('A node that was revoked', () => {
  it('is listened to no more, and its connection is to end', () => {
    const { store, take, ingest, told, say } = started()
    say(1, 1)
    expect(take(packed(1, [sample(1)]))).toMatchObject({ upTo: 1 })
    store.nodes.revoke('pi-7', null, t0)
    store.series.generation++
    expect(take(packed(2, [sample(2)]))).toBeNull()
    say(1, 2)
    ingest.onState('pi-7', new Uint8Array())
    expect(storedValues(store)).toEqual([1])
    expect(store.nodes.get('pi-7')).toMatchObject({ presence: { online: false, connection: 1 } })
    expect(told.unwelcome).toEqual([1, 2, 3].map(() => ['pi-7', false]))
  })
})

describe('A run of an agent that was followed by another and comes back', () => {
  it('proves two machines with the same keys: told once, and neither is listened to from then on', () => {
    const { store, take, told, say, isCloned, codes } = started()
    say(1, 1)
    say(2, 2)
    expect(isCloned()).toBe(false)
    say(1, 3)
    expect(isCloned()).toBe(true)
    say(2, 4)
    say(1, 5)
    expect(take(packed(1, [sample(1)]))).toBeNull()
    expect(codes()).toEqual(['cloned-identity'])
    expect(told.unwelcome.filter(([, cloned]) => cloned)).toHaveLength(1)
    expect(store.nodes.get('pi-7')).toMatchObject({ presence: { online: false } })
  })

  it('also where the gateway was restarted in between, and where the copy began with the same numbers or lower ones', () => {
    const path = temporaryPath()
    const first = started(path)
    first.say(1, 5_001)
    first.say(2, 4_001)
    expect(first.store.nodes.get('pi-7')).toMatchObject({ presence: { online: true, connection: 4_001 } })
    const second = started(path, true)
    second.say(1, 5_002)
    expect(second.isCloned()).toBe(true)
  })

  it('also where the copy hides its run', () => {
    const { say, isCloned } = started()
    say(1, 1)
    say(null, 2)
    say(1, 3)
    expect(isCloned()).toBe(true)
  })

  it('also where the copy only listened, and never said that it is there: under a run of its own, under none, or without a will', () => {
    for (const copy of ['its own', 'none', 'no will'] as const) {
      const { say, connects, ingest, isCloned } = started()
      connects(1, 1)
      say(1, 1)
      if (copy === 'no will') ingest.onConnection('pi-7', null)
      else connects(copy === 'none' ? null : 9, 1)
      expect(isCloned()).toBe(false)
      say(1, 2)
      expect(isCloned()).toBe(true)
    }
  })

  it('is none where only wills and goodbyes come late', () => {
    const { store, say, isCloned } = started()
    say(1, 1)
    say(2, 2)
    say(1, 1, false)
    say(1, 9, false)
    expect(isCloned()).toBe(false)
    expect(store.nodes.get('pi-7')).toMatchObject({ presence: { online: true, connection: 2 } })
    say(2, 2, false)
    expect(store.nodes.get('pi-7')).toMatchObject({ presence: { online: false } })
  })

  it('never comes of one machine, however often it restarts, reconnects, dies, and its gateway with it', () => {
    const step = fc.oneof(
      fc.constant('reconnect' as const),
      fc.constant('crash' as const),
      fc.constant('goodbye' as const),
      fc.constant('cut before presence' as const),
      fc.constant('crash before presence' as const),
      fc.constant('gateway' as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const path = temporaryPath()
        let gateway = started(path)
        let [which, connection] = [1, 1]
        const wills: [number, number][] = []
        for (const next of steps) {
          if (next === 'gateway') {
            gateway.store.close()
            gateway = started(path, true)
          } else {
            if (next === 'goodbye') gateway.say(which, connection, false)
            else wills.push([which, connection])
            if (next === 'crash' || next === 'goodbye') which++
            connection++
          }
          if (next.endsWith('before presence')) {
            gateway.connects(which % 256, connection)
            wills.push([which, connection++])
            if (next.startsWith('crash')) which++
          }
          gateway.connects(which % 256, connection)
          gateway.say(which % 256, connection)
          // Whenever it likes, and after its successor.
          const will = steps.length % 2 === 0 ? wills.shift() : undefined
          if (will) gateway.say(will[0] % 256, will[1], false)
          if (gateway.isCloned()) return false
        }
        return steps.length === 0 || gateway.store.nodes.get('pi-7')!.presence!.online
      }),
      { numRuns: 15 },
    )
  })
})

describe('A connection that was ended because it was none of an agent', () => {
  it('is told as an event, few times however often it comes', () => {
    const { ingest, store } = started()
    for (let count = 0; count < 100; count++) ingest.onUnannounced('pi-7', 'spoke')
    ingest.flush()
    expect(store.events.list()).toMatchObject([{ node: 'pi-7', code: 'presence-missing' }])
  })
})

describe('A journal that ends below what is stored of it', () => {
  it('was set back: it is told to begin anew, once as an event, and nothing more of it is taken', () => {
    const { store, take, told, say, codes } = started()
    say(1, 1, true, 0)
    take(packed(1, [sample(1), sample(2), sample(3)]))
    say(2, 2, true, 2)
    expect(codes()).toEqual(['journal-set-back'])
    expect(ack.decode(told.ack.at(-1)![1])).toEqual({ incarnation, upTo: 3, anew: true })
    // It had numbered others with 3 and more by then.
    expect(take(packed(3, [sample(30), sample(40)]))).toEqual({ incarnation, upTo: 3, anew: true })
    expect(storedValues(store)).toEqual([1, 2, 3])
    say(2, 3, true, 9)
    expect(take(packed(3, [sample(30), sample(40)]))).toMatchObject({ anew: true })
    expect(codes()).toEqual(['journal-set-back'])
    const other = new Uint8Array(8).fill(9)
    expect(take(packed(1, [sample(50)], { incarnation: other }))).toEqual({ incarnation: other, upTo: 1, anew: null })
    expect(storedValues(store)).toEqual([1, 2, 3, 50])
  })

  it('is none that ends where it was acknowledged, or above', () => {
    const { take, say, codes } = started()
    say(1, 1, true, 0)
    take(packed(1, [sample(1), sample(2)]))
    say(1, 2, true, 2)
    say(2, 3, true, 7)
    expect(codes()).toEqual([])
    expect(take(packed(3, [sample(3)]))).toMatchObject({ upTo: 3, anew: null })
  })
})
