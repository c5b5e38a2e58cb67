import type { Journal } from '@hypha/agent/report/journal.ts'
import {
  type Checkpoint,
  checkpoint,
  checkpointAck,
  checkpointPiece,
  kept,
} from '@hypha/core/wire/messages/checkpoint.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { Checkpoints } from '../../../agent/handover/checkpoints.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { gatewaySource, ledger, open, sampler, settle, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { crypto } from '../../support/signed.ts'

const everyMs = 5_000
const counted = (value: number, bytes = 1) => ({ kv: [{ key: 'count', value: new Uint8Array(bytes).fill(value) }] })

describe('What instances keep', () => {
  let files: LossyFiles
  let clock: FakeClock
  let journal: Journal
  let state: 'online' | 'offline'
  let sent: Checkpoint[]
  let digests: Uint8Array[]
  let pieces: Uint8Array[]
  let told: string[]

  const start = async (on = files) => {
    files = on
    clock = new FakeClock()
    journal = await open({ files, clock })
    return new Checkpoints({
      journal,
      files,
      clock,
      sha256: crypto.sha256,
      topic: 'up',
      everyMs,
      link: {
        get state() {
          return state
        },
        publish: async (_topic, message) => take(message),
      },
      mayMove: ({ module }) => module !== 'ledger',
      timer: (instance) => (instance.module === 'sampler' ? { dueAt: clock.monotonic() + 700, periodMs: 1_000 } : null),
      gatewayMs: () => 1_000_000,
      event: ({ code }) => told.push(code),
      onProblem: ({ message }) => told.push(message),
    })
  }

  function take(message: Uint8Array): void {
    const { digest, size, bytes } = checkpointPiece.decode(message)
    pieces.push(bytes)
    const have = pieces.reduce((sum, { length }) => sum + length, 0)
    if (have < size) return
    sent.push(checkpoint.decode(Uint8Array.from(pieces.flatMap((piece) => [...piece]))))
    digests.push(digest)
    pieces = []
  }

  const pass = async (ms: number) => {
    clock.advance(ms)
    for (let round = 0; round < 5; round++) await settle()
    await new Promise(setImmediate)
  }
  const acknowledge = (checkpoints: Checkpoints) =>
    checkpoints.onAck(checkpointAck.encode({ digest: digests.at(-1)!, outcome: 'stored' }))
  const counts = () => sent.map((each) => kept.decode(each.kept!).kv[0]?.value[0])

  beforeEach(() => {
    files = new LossyFiles()
    state = 'online'
    sent = []
    digests = []
    pieces = []
    told = []
  })

  it('is sent where it has changed, at most so often, and not of what can be nowhere else', async () => {
    const checkpoints = await start()
    journal.append(turn(counted(1)))
    journal.append(turn({ ...counted(9), instance: ledger }))
    await pass(everyMs)
    acknowledge(checkpoints)
    await pass(everyMs)
    expect(counts()).toEqual([1])
    for (const value of [2, 3]) journal.append(turn(counted(value)))
    await pass(everyMs)
    expect(counts()).toEqual([1, 3])
    expect(sent[1]).toMatchObject({ final: false, number: journal.sendable, move: 0, stoppedMs: null })
    checkpoints.close()
  })

  it('is sent again where nobody answers, as it is by then', async () => {
    const checkpoints = await start()
    journal.append(turn(counted(1)))
    await pass(everyMs)
    journal.append(turn(counted(2)))
    await pass(10_000)
    await pass(everyMs)
    expect(counts()).toEqual([1, 2])
    checkpoints.close()
  })

  it('goes when an instance leaves, with what waits for it, and is kept over restarts until it was heard', async () => {
    const before = await start()
    state = 'offline'
    journal.append(turn({ ...counted(4), input: { source: gatewaySource, number: 7 } }))
    const message = { topic: 't', payload: Uint8Array.of(1), atMs: 1 }
    journal.append(turn({ instance: ledger, messages: [message] }), [[sampler]])
    await before.letGo([{ ...sampler, move: 0 }], 200)
    expect([...journal.kv(sampler)]).toEqual([])
    expect(journal.pendingMessages()).toEqual([])
    before.close()
    state = 'online'
    const checkpoints = await start(files.afterPowerCut(1))
    checkpoints.review()
    await pass(1)
    expect(sent).toMatchObject([{ final: true, stoppedMs: 999_800, waiting: [{ topic: 't', publisher: null }] }])
    expect(kept.decode(sent[0]!.kept!)).toMatchObject({ ...sampler, handled: [{ source: gatewaySource, number: 7 }] })
    acknowledge(checkpoints)
    expect(files.list('handover')).toEqual([])
    checkpoints.close()
  })

  it('is said also of an instance that leaves with nothing, or never began; of that no more than so, for it keeps what it was given', async () => {
    const checkpoints = await start()
    await checkpoints.letGo([{ ...sampler, move: 0 }], 0)
    await pass(1)
    expect(sent).toMatchObject([{ final: true, move: 0, unbegun: null }])
    expect(kept.decode(sent[0]!.kept!)).toMatchObject({ ...sampler, state: null, kv: [], handled: [] })
    acknowledge(checkpoints)
    await checkpoints.letGo([{ ...sampler, move: 4 }], 0)
    await pass(1)
    expect(sent[1]).toMatchObject({ final: true, move: 4, unbegun: true, kept: null })
    acknowledge(checkpoints)
    journal.moveIn(sampler, { move: 5, turns: 0, kept: sent[0]!.kept! })
    await checkpoints.letGo([{ ...sampler, move: 5 }], 0)
    await pass(1)
    expect(sent[2]).toMatchObject({ final: true, move: 5, unbegun: null })
    checkpoints.close()
  })

  it('says when the next tick is due of an instance that leaves, by the gateway’s clock', async () => {
    const checkpoints = await start()
    journal.append(turn(counted(1)))
    await pass(everyMs)
    await checkpoints.letGo([{ ...sampler, move: 0 }], 0)
    acknowledge(checkpoints)
    await pass(1)
    expect(sent.map((each) => kept.decode(each.kept!).timer)).toEqual([null, { dueMs: 1_000_700, periodMs: 1_000 }])
    checkpoints.close()
  })

  it('goes in pieces where it is larger than a packet; more than may be sent is told once, and leaves without it', async () => {
    const checkpoints = await start()
    journal.append(turn(counted(1, 200_000)))
    await pass(everyMs)
    acknowledge(checkpoints)
    expect(counts()).toEqual([1])
    journal.append(turn(counted(2, 5 * 1024 * 1024)))
    for (let time = 0; time < 3; time++) await pass(100_000)
    expect([counts(), told]).toEqual([[1], ['checkpoint-too-large']])
    await checkpoints.letGo([{ ...sampler, move: 0 }], 0)
    await pass(1)
    expect(sent.at(-1)).toMatchObject({ final: true, kept: null })
    checkpoints.close()
  })
})
