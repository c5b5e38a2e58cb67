import { copyFileSync } from 'node:fs'
import type { HyphaError } from '@hypha/core/errors.ts'
import type { ForwardBatch } from '@hypha/core/wire/messages/forward.ts'
import { siteWord } from '@hypha/core/wire/messages/uplink.ts'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { openStore, type Store } from '../../../gateway/store/store.ts'
import { Forwarder } from '../../../gateway/uplink/forwarder.ts'
import { seriesKey, t0, temporaryPath } from '../store/support.ts'

// The forwarder between two real stores; what is between them may lose a batch or an acknowledgement, and either side may end at any time.

type Fate = 'arrives' | 'batch lost' | 'acknowledgement lost'

class Pair {
  readonly paths = { site: temporaryPath(), upstream: temporaryPath() }
  site: Store
  upstream: Store
  forwarder: Forwarder
  #sent: ForwardBatch[] = []
  #rows = 0
  readonly problems: HyphaError[] = []

  readonly maxWaiting: number

  constructor(maxWaiting = 1_000_000) {
    this.maxWaiting = maxWaiting
    this.upstream = openStore(this.paths.upstream, { fleet: 'company', synchronous: 'NORMAL' })
    this.upstream.sites.invite({ tokenDigest: 'x', site: 'north', expiresAt: t0 }, 1, t0)
    this.site = this.openSite()
    this.forwarder = this.forward()
    onTestFinished(() => this.close())
  }

  openSite = () => openStore(this.paths.site, { fleet: 'garden', synchronous: 'NORMAL' })

  forward(): Forwarder {
    this.#sent = []
    return new Forwarder({
      store: this.site,
      now: () => t0,
      // As it goes over the wire.
      send: (batch) => {
        const word = siteWord.decode(siteWord.encode({ kind: 'batch', ...batch }))
        if (word.kind === 'batch') this.#sent.push(word)
      },
      onProblem: (error) => this.problems.push(error),
      limits: { pollMs: 3_600_000, maxWaiting: this.maxWaiting },
    })
  }

  close(): void {
    this.forwarder.close()
    this.site.close()
    this.upstream.close()
  }

  restartSite(from?: string): void {
    this.forwarder.close()
    this.site.close()
    if (from !== undefined) copyFileSync(from, this.paths.site)
    this.site = this.openSite()
    this.forwarder = this.forward()
  }

  restartUpstream(from?: string): void {
    this.upstream.close()
    if (from !== undefined) copyFileSync(from, this.paths.upstream)
    this.upstream = openStore(this.paths.upstream, { fleet: 'company', synchronous: 'NORMAL' })
    this.forwarder.offline()
  }

  /** A copy of a database as of now. */
  backup(of: 'site' | 'upstream'): string {
    const to = temporaryPath()
    this[of].db.pragma('wal_checkpoint(TRUNCATE)')
    copyFileSync(this.paths[of], to)
    return to
  }

  /** One row of each kind. */
  store(): void {
    const n = this.#rows++
    this.site.transaction(() => {
      const key = seriesKey({ home: n % 2 === 0 ? 'pi-7' : null })
      const series = this.site.series.find(key) ?? this.site.series.add(key)
      this.site.series.insertSample(series, t0 + n, n + 1, n % 7 === 3 ? Number.NaN : n)
      this.site.events.add({ at: t0 + n, node: null, app: null, module: null, home: null, code: 'test', text: `${n}` })
      const instance = { node: 'pi-7', app: 'greenhouse', module: 'sampler', home: 'pi-7' }
      this.site.logs.add({ at: t0 + n, ...instance, level: 'info', text: `line ${n}` })
    })
  }

  /** A connection; how each batch fares, and when there are no more words, all arrive. */
  session(fates: readonly Fate[] = []): void {
    const { incarnation, begin } = this.forwarder.hello
    const upTo = this.upstream.sites.hello('north', incarnation, begin, t0)!
    if (!this.forwarder.welcome(upTo)) {
      this.session(fates)
      return
    }
    for (let index = 0; ; index++) {
      const batch = this.#sent.shift()
      if (batch === undefined) break
      const fate = fates[index] ?? 'arrives'
      if (fate === 'batch lost') break
      const taken = this.upstream.sites.take('north', incarnation, batch, t0)
      expect(taken).not.toBeNull()
      if (fate === 'acknowledgement lost') break
      expect(this.forwarder.ack(taken!.upTo)).toBe(true)
    }
    this.#sent = []
    this.forwarder.offline()
  }
}

const everything = { from: 0, to: t0 * 2, limit: 100_000 }
const rowsOf = (store: Pick<Store, 'series' | 'events' | 'logs'>, codes = /^test$/) => ({
  samples: store.series.history({}, everything).map(({ at, value, node, epoch }) => ({ at, value, node, epoch })),
  events: store.events
    .list({ after: 0, limit: 10_000 })
    .filter(({ code }) => codes.test(code))
    .map(({ id: _, ...event }) => event),
  logs: store.logs.list({ after: 0, limit: 10_000 }).map(({ id: _, ...log }) => log),
})
const arrived = (pair: Pair) => rowsOf(pair.upstream.sites.telemetry('north'))

it('Whatever is lost on the way, and whoever ends at any time, each row arrives once and in order', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('store' as const), count: fc.integer({ min: 1, max: 900 }) }),
    fc.record({
      kind: fc.constant('session' as const),
      fates: fc.array(fc.constantFrom<Fate>('arrives', 'batch lost', 'acknowledgement lost'), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constantFrom('restart site' as const, 'restart upstream' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const pair = new Pair()
      pair.store()
      for (const each of steps) {
        if (each.kind === 'store') for (let n = 0; n < each.count; n++) pair.store()
        else if (each.kind === 'session') pair.session(each.fates)
        else if (each.kind === 'restart site') pair.restartSite()
        else pair.restartUpstream()
      }
      pair.session()
      expect(arrived(pair)).toEqual(rowsOf(pair.site))
      expect(pair.site.outbox.waiting).toBe(0)
      expect(pair.problems).toEqual([])
    }),
    { numRuns: 12 },
  )
}, 60_000)

it('What was stored before the site joined is not forwarded', () => {
  const pair = new Pair()
  pair.store()
  pair.forwarder.forget()
  pair.store()
  pair.forwarder = pair.forward()
  pair.store()
  pair.session()
  expect(arrived(pair).logs.map(({ text }) => text)).toEqual(['line 2'])
})

it('A site that is set back to a backup begins a new incarnation, and nothing is there twice', () => {
  const pair = new Pair()
  for (let n = 0; n < 10; n++) pair.store()
  pair.session(['acknowledgement lost'])
  const backup = pair.backup('site')
  pair.session()
  for (let n = 0; n < 10; n++) pair.store()
  pair.session()
  const before = pair.forwarder.hello.incarnation
  pair.restartSite(backup)
  // Under numbers that the upstream has seen already.
  for (let n = 0; n < 10; n++) pair.store()
  pair.session()
  expect(pair.forwarder.hello.incarnation).not.toEqual(before)
  expect(pair.problems.map(({ code }) => code)).toEqual(['uplink-offline'])
  expect(arrived(pair).logs.map(({ text }) => text)).toEqual(Array.from({ length: 30 }, (_, n) => `line ${n}`))
  expect(arrived(pair).samples).toHaveLength(30)
  expect(arrived(pair).events).toHaveLength(30)
})

it('An upstream that is set back says how many rows it has lost, and goes on', () => {
  const pair = new Pair()
  pair.store()
  pair.session()
  const backup = pair.backup('upstream')
  pair.store()
  pair.session()
  pair.restartUpstream(backup)
  pair.store()
  pair.session()
  const { logs } = arrived(pair)
  expect(logs.map(({ text }) => text)).toEqual(['line 0', 'line 2'])
  const told = pair.upstream.sites
    .telemetry('north')
    .events.list()
    .filter(({ code }) => code === 'site-gap')
  expect(told.map(({ text }) => text)).toEqual([expect.stringMatching(/^3 rows that north has forwarded are not here/)])
})

it('What waits longer than there is room for is dropped, the oldest first, and an event says how much', () => {
  const pair = new Pair(30)
  for (let n = 0; n < 20; n++) pair.store()
  pair.forwarder.offline()
  pair.forwarder.look()
  expect(pair.site.outbox.waiting).toBe(31)
  pair.session()
  const events = rowsOf(pair.upstream.sites.telemetry('north'), /./).events
  expect(events.at(-1)).toMatchObject({ code: 'uplink-overflow', text: expect.stringMatching(/30 rows/) })
  expect(arrived(pair).logs.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, n) => `line ${n + 10}`))
})

it('A batch that does not follow on what is stored is not taken, nor one of another incarnation', () => {
  const { upstream } = new Pair()
  const empty = { series: [], samples: [], events: [], logs: [] }
  const [one, other] = [new Uint8Array(8).fill(1), new Uint8Array(8).fill(2)]
  const take = (incarnation: Uint8Array, after: number, upTo: number) =>
    upstream.sites.take('north', incarnation, { after, upTo, ...empty }, t0)
  expect(take(one, 0, 1)).toBeNull()
  expect(upstream.sites.hello('north', one, 0, t0)).toBe(0)
  expect(take(other, 0, 1)).toBeNull()
  expect(take(one, 1, 2)).toBeNull()
  expect(take(one, 0, 0)).toBeNull()
  expect(take(one, 0, 5)).toMatchObject({ upTo: 5, refused: 0 })
  expect(take(one, 0, 5)).toBeNull()
  expect(upstream.sites.hello('south', one, 0, t0)).toBeNull()
})

it('A sample of a series that the batch does not name is refused, and nothing else of it', () => {
  const { upstream } = new Pair()
  const one = new Uint8Array(8).fill(1)
  upstream.sites.hello('north', one, 0, t0)
  const samples = [{ series: 3, at: t0, seq: 1, value: 1 }]
  expect(
    upstream.sites.take('north', one, { after: 0, upTo: 1, series: [], samples, events: [], logs: [] }, t0),
  ).toMatchObject({ upTo: 1, refused: 1 })
})
