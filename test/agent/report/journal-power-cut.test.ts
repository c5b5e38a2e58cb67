import type { Journal } from '@hypha/agent/report/journal.ts'
import { expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { entries, gatewaySource, line, open, sampler, settle, turn } from '../../support/journal-run.ts'
import { LossyFiles, PowerCut } from '../../support/lossy-files.ts'

const options = { segmentBytes: 400, syncMs: 20 }

interface Run {
  /** A line for each entry that was given to `append`, in order; and how many of them it returned for. */
  readonly given: string[]
  appended: number
  /** For each record, the sequence number before it and the kv content after it. */
  readonly kv: Map<number, number>
  /** Highest number that was sendable. */
  sendable: number
  acknowledged: number
  handled: number
}

/** Turns of all shapes; small segments, so that every kind of write happens often. */
async function work(journal: Journal, clock: FakeClock, run: Run, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const first = run.given.length + 1
    const lines: string[] = []
    const samples = Array.from({ length: 1 + (round % 4) }, (_, index) => ({
      metric: 'm',
      value: round + index,
      atMs: 1_000 + round,
    }))
    for (const { value, atMs } of samples) lines.push(`m=${value}@${atMs}`)
    const messages = round % 5 === 0 ? [{ topic: 't', payload: new Uint8Array(60).fill(round), atMs: 1 }] : []
    for (const { topic, payload } of messages) lines.push(`message ${topic} ${payload.join()}`)
    const input = round % 3 === 0 ? { source: gatewaySource, number: run.handled + 1 } : null
    if (input) lines.unshift(`handled ${input.number} ok`)
    run.given.push(...lines.map((text, index) => `${first + index} ${text}`))
    if (input) run.handled = input.number
    run.kv.set(run.given.length, first)
    journal.append(
      turn({ samples, messages, input, kv: [{ key: 'count', value: Uint8Array.of(first & 0xff, first >> 8) }] }),
    )
    run.appended = run.given.length
    if (round % 2 === 0) {
      clock.advance(25)
      await settle()
    }
    run.sendable = Math.max(run.sendable, journal.sendable)
    if (round % 7 === 6) {
      run.acknowledged = Math.max(run.acknowledged, run.sendable - 1)
      journal.acknowledge(run.sendable - 1)
    }
  }
}

const newRun = (): Run => ({ given: [], appended: 0, kv: new Map(), sendable: 0, acknowledged: 0, handled: 0 })

/** What may be read of a recovered journal, without what recovery itself reported. */
function recovered(journal: Journal): { lines: string[]; gaps: number } {
  const lines = entries(journal).map(line)
  const gap = lines.findIndex((text) => /^\d+ gap$/.test(text))
  return gap === -1 ? { lines, gaps: 0 } : { lines: lines.slice(0, gap), gaps: lines.length - gap }
}

function check(journal: Journal, run: Run, atLeast: number): number {
  const { lines, gaps } = recovered(journal)
  const last = journal.sendable - gaps
  expect(last).toBeGreaterThanOrEqual(atLeast)
  expect(last).toBeLessThanOrEqual(run.given.length)
  const firstKept = lines.length === 0 ? last + 1 : Number.parseInt(lines[0]!, 10)
  // What was acknowledged may be gone; everything after it is there exactly once, in order, as it was given.
  expect(firstKept).toBeLessThanOrEqual(run.acknowledged + 1)
  expect(lines).toEqual(run.given.slice(firstKept - 1, last))
  return last
}

test('a power cut at any write loses nothing that was synced, invents nothing, and keeps the order', async () => {
  let cuts = 0
  for (let cutAt = 1; ; cutAt++) {
    const files = new LossyFiles({ cutAt })
    const run = newRun()
    try {
      const clock = new FakeClock()
      const journal = await open({ files, clock, options })
      await work(journal, clock, run, 40)
      await journal.close()
      run.sendable = journal.sendable
    } catch (thrown) {
      if (!(thrown instanceof PowerCut) && !files.cut) throw thrown
    }
    const whole = !files.cut
    for (const seed of [cutAt, cutAt + 1_000, cutAt + 2_000]) {
      const again = await open({ files: files.afterPowerCut(seed), bootId: 'boot-2', options })
      const last = check(again, run, run.sendable)
      const count = again.kv(sampler).get('count')
      // A turn counts as a whole: its kv is there exactly if its entries are.
      if (last > 0) expect(run.kv.get(last)).toBe((count?.[0] ?? 0) + (count?.[1] ?? 0) * 256)
    }
    cuts++
    if (whole) break
  }
  expect(cuts).toBeGreaterThan(100)
})

test('a second power cut, at any write of the recovery from the first, changes nothing of that', async () => {
  for (const firstCut of [40, 77, 101, 113]) {
    const files = new LossyFiles({ cutAt: firstCut })
    const run = newRun()
    const clock = new FakeClock()
    await open({ files, clock, options })
      .then((journal) => work(journal, clock, run, 40))
      .catch(() => expect(files.cut).toBe(true))
    for (let cutAt = 1; ; cutAt++) {
      const second = files.afterPowerCut(firstCut, { cutAt })
      const durable = await open({ files: files.afterPowerCut(firstCut), bootId: 'boot-2', options })
      const last = check(durable, run, run.sendable)
      await open({ files: second, bootId: 'boot-2', options }).catch(() => expect(second.cut).toBe(true))
      const whole = !second.cut
      const third = await open({ files: second.afterPowerCut(cutAt), bootId: 'boot-3', options })
      expect(check(third, run, run.sendable)).toBe(last)
      if (whole) break
    }
  }
})

test('a killed process loses nothing of what append returned', async () => {
  for (let cutAt = 1; ; cutAt++) {
    const files = new LossyFiles({ cutAt })
    const run = newRun()
    const clock = new FakeClock()
    await open({ files, clock, options })
      .then((journal) => work(journal, clock, run, 24))
      .catch(() => expect(files.cut).toBe(true))
    const whole = !files.cut
    const killedAt = run.appended
    const again = await open({ files: files.afterKill(), options })
    const lines = entries(again).map(line)
    const firstKept = lines.length === 0 ? killedAt + 1 : Number.parseInt(lines[0]!, 10)
    expect(firstKept).toBeLessThanOrEqual(run.acknowledged + 1)
    // The record in hand when the process was killed may be there as a whole.
    expect(lines.slice(0, killedAt - firstKept + 1)).toEqual(run.given.slice(firstKept - 1, killedAt))
    if (whole) break
  }
})
