import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, expect, test } from 'vitest'
import { defaultOptions } from '../../../agent/sandbox/options.ts'
import { startWorker } from '../../../agent/sandbox/thread-transport.ts'

const probe = new URL('../../support/confinement-probe.ts', import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'hypha-probe-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function outcomesOf(worker: Worker): Promise<string[]> {
  const outcomes = await new Promise<Record<string, string>>((resolve, reject) => {
    worker.on('message', resolve)
    worker.on('error', reject)
  })
  await worker.terminate()
  return Object.entries(outcomes).map(([attempt, outcome]) => `${attempt}: ${outcome}`)
}

test('JavaScript in a cell reaches no file, process, socket, database, worker or signal; outside of one it reaches them all.', async () => {
  const options = { ...defaultOptions, workerUrl: probe }
  const inside = await outcomesOf(startWorker(options, { confined: true, folder }))
  const outside = await outcomesOf(new Worker(probe, { workerData: { confined: false, folder } }))
  expect(inside).toHaveLength(14)
  expect(inside.filter((line) => !line.endsWith(': refused'))).toEqual([])
  expect(outside.filter((line) => !line.endsWith(': done'))).toEqual([])
})
