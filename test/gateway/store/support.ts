import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { SeriesKey } from '../../../gateway/store/series.ts'
import { openStore, type Store, type StoreOptions } from '../../../gateway/store/store.ts'

export const t0 = 1_795_400_000_000

/** A path for a database in a folder of its own, removed after the test. */
export function temporaryPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'hypha.db')
}

/** A store on a file of its own, closed after the test. */
export function temporaryStore(options: Partial<StoreOptions> = {}, path = temporaryPath()): Store {
  const store = openStore(path, { fleet: 'greens', ...options })
  onTestFinished(() => store.close())
  return store
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

export function addNode(store: Store, id: string): void {
  store.nodes.put({
    id,
    tier: 'device',
    publicKey: new Uint8Array(32).fill(1),
    boxKey: new Uint8Array(32).fill(2),
    fingerprint: 'ab',
    certificateExpiresAt: t0 + 1_000_000,
    labels: ['room=north'],
    createdAt: t0,
  })
}

export function addRelease(
  store: Store,
  app: string,
  number = 1,
  extra: Uint8Array = bytesOf(`${app} core ${number}`),
) {
  return store.apps.addRelease({
    app,
    number,
    digest: `digest of ${app} ${number}`,
    envelope: bytesOf(`${app} envelope ${number}`),
    label: '',
    createdAt: t0,
    contents: [extra],
  })
}

export const seriesKey = (over: Partial<SeriesKey> = {}): SeriesKey => ({
  app: 'greenhouse',
  module: 'sampler',
  home: 'pi-7',
  metric: 'temperature',
  node: 'pi-7',
  incarnation: new Uint8Array(8).fill(9),
  epoch: 1,
  ...over,
})

/** Stores samples as ingest does. */
export function addSamples(
  store: Store,
  key: SeriesKey,
  samples: readonly (readonly [at: number, seq: number, value: number])[],
): number {
  return store.transaction(() => {
    const id = store.series.find(key) ?? store.series.add(key)
    for (const [at, seq, value] of samples) {
      store.series.insertSample(id, at, seq, value)
      store.series.markStale(id, at - (at % 60_000))
    }
    return id
  })
}
