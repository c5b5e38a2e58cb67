import { createHmac, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { crypto } from '../../support/signed.ts'
import { boards, samplesOf } from './board.ts'
import { counter, samplers } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

const patchOf = (old: Uint8Array, now: Uint8Array) => ({
  bytes: makePatch(old, now, brotli, { profile: 'mcu' }).bytes,
  base: old,
})

describe('A module on a board', () => {
  it("is the greenhouse's sampler, unchanged: it reads the board's sensors, and its values come in reports", async () => {
    const { board } = newBoard('--sensor', 'outdoor=18.5', '--sensor', 'soil=12')
    await board.start()
    const push = makePush(samplers.old)
    expect(await deliver(board, push)).toBe('complete')
    expect(await activate(board, push)).toBe('ok')
    const values = await board.until(() => {
      const samples = samplesOf(board.reports)
      return samples.size > 0 && [...samples.values()].every((each) => each.size > 3) && samples
    })
    const names = [...values.keys()]
    expect(names.length).toBeGreaterThan(0)
    expect([...values.values()].flatMap((each) => [...each.values()])).toEqual(expect.arrayContaining([18.5]))
    expect(board.reports[0]!.series[0]).toMatchObject({ app: 'greenhouse', module: 'sampler', home: 'mcu-1', epoch: 1 })
    expect(Math.abs(board.reports[0]!.baseMs - 1_800_000_000_000)).toBeLessThan(60_000)
  })

  it('is swapped by a patch, with its state and the numbers of its telemetry going on, and says how long it paused', async () => {
    const { board } = newBoard()
    await board.start()
    const [first, second] = [await counter(1), await counter(1000)]
    const [one, two] = [makePush(first, { number: 1 }), makePush(second, { number: 2 })]
    expect(await deliver(board, one)).toBe('complete')
    expect(await activate(board, one)).toBe('ok')
    await board.until(() => (samplesOf(board.reports).get('count@1')?.size ?? 0) > 5)
    expect(await deliver(board, two, patchOf(first, second))).toBe('complete')
    expect(await activate(board, two)).toBe('ok')
    await board.until(() => (samplesOf(board.reports).get('count@2')?.size ?? 0) > 3)
    const state = await board.state(({ slots }) =>
      slots.some(({ epoch, status }) => epoch === 2 && status === 'confirmed'),
    )
    expect(state.pausedMs).toBeLessThan(1_000)
    const samples = samplesOf(board.reports)
    const all = [...samples.get('count@1')!, ...samples.get('count@2')!].sort(([a], [b]) => a - b)
    // Not one is missing, and the count goes on where it was.
    expect(all.map(([number]) => number)).toEqual(all.map((_, i) => all[0]![0] + i))
    const last = [...samples.get('count@1')!.values()].at(-1)!
    expect([...samples.get('count@2')!.values()][0]).toBe(last + 1000)
  })

  it('goes on with the state of its last stop after a start, and its reports tell that they begin anew', async () => {
    const { board, again } = newBoard()
    const identify = await board.start()
    const [first, second] = [await counter(1), await counter(1000)]
    const [one, two] = [makePush(first, { number: 1 }), makePush(second, { number: 2 })]
    await deliver(board, one)
    await activate(board, one)
    await board.until(() => (samplesOf(board.reports).get('count@1')?.size ?? 0) > 5)
    await deliver(board, two, patchOf(first, second))
    await activate(board, two)
    const before = [...samplesOf(board.reports).get('count@1')!.values()].at(-1)!
    await board.kill()
    const later = again()
    expect((await later.start()).incarnation).not.toEqual(identify.incarnation)
    await later.until(() => samplesOf(later.reports).has('count@2'))
    const [value] = [...samplesOf(later.reports).get('count@2')!.values()]
    expect(value).toBeGreaterThanOrEqual(before)
  })

  it('keeps what it has to say while it is not acknowledged, and tells what it had to drop', async () => {
    const { board } = newBoard()
    await board.start()
    const push = makePush(await counter(1), { spec: { timerMs: 2 } })
    await deliver(board, push)
    await activate(board, push)
    // Nothing is acknowledged: the ring goes over. What is sent again, on a line that opened anew, says that the numbers before are gone.
    const state = await board.state(({ dropped }) => dropped > 20)
    expect(state.waiting).toBeGreaterThan(50)
    board.reopen()
    const gap = await board.until(() => board.reports.find(({ after, first }) => after !== null && first > after + 1))
    expect(gap.after).toBe(0)
    const last = board.reports.at(-1)!
    const upTo = last.first + last.count - 1
    await board.send({ kind: 'ack', incarnation: last.incarnation, upTo, anew: null })
    const next = await board.until(() => board.reports.findLast(({ first }) => first > upTo))
    expect(next.after === null || next.after >= upTo).toBe(true)
  })

  it('has its reports under a MAC once a session was agreed on', async () => {
    const { board } = newBoard()
    const { key } = await board.start()
    const { privateKey, publicKey } = generateKeyPairSync('x25519')
    const mine = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))
    await board.send({ kind: 'session', key: mine, proof: null })
    const { key: repeated, proof } = await board.until(() => board.heard('session')[0])
    expect(repeated).toEqual(mine)
    const theirs = createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(montgomery(key)).toString('base64url') },
      format: 'jwk',
    })
    const shared = diffieHellman({ privateKey, publicKey: theirs })
    const sessionKey = crypto.sha256(Buffer.concat([Buffer.from('hypha-board-session'), shared, mine, key]))
    const mac = (bytes: Uint8Array | string) => createHmac('sha256', sessionKey).update(bytes).digest().subarray(0, 16)
    expect(Buffer.from(proof!).equals(mac('hypha-board-proof'))).toBe(true)
    const push = makePush(await counter(1))
    await deliver(board, push)
    await activate(board, push)
    const at = await board.until(() => board.reports.length > 0)
    expect(at).toBe(true)
    expect(Buffer.from(board.macs[0]!).equals(mac(board.bodies[0]!))).toBe(true)
    expect(report.decode(board.bodies[0]!).count).toBeGreaterThan(0)
  })

  it('takes messages for its inbox, and calls for its things from elsewhere', async () => {
    const { board } = newBoard('--sensor', 'outdoor=18.5')
    await board.start()
    await board.send({ kind: 'call', number: 1, what: 'read', name: 'outdoor', value: null })
    await board.send({ kind: 'call', number: 2, what: 'read', name: 'nothing', value: null })
    await board.send({ kind: 'call', number: 3, what: 'set', name: 'led', value: 0.5 })
    await board.send({ kind: 'call', number: 4, what: 'set', name: 'led', value: 7 })
    const answers = await board.until(() => board.heard('answer').length === 4 && board.heard('answer'))
    expect(answers.map(({ outcome, value }) => [outcome, value])).toEqual([
      ['ok', 18.5],
      ['unknown', null],
      ['ok', null],
      ['out-of-range', null],
    ])
  })
})

/** The X25519 key of an Ed25519 key: u = (1 + y) / (1 − y) modulo 2^255 − 19 (RFC 7748, 4.1). */
function montgomery(point: Uint8Array): Uint8Array {
  const prime = 2n ** 255n - 19n
  const y = point.reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n) & (2n ** 255n - 1n)
  const power = (base: bigint, exponent: bigint): bigint => {
    if (exponent === 0n) return 1n
    const half = power((base * base) % prime, exponent >> 1n)
    return exponent & 1n ? (half * base) % prime : half
  }
  const u = ((1n + y) * power((1n - y + prime) % prime, prime - 2n)) % prime
  return Uint8Array.from({ length: 32 }, (_, i) => Number((u >> BigInt(8 * i)) & 255n))
}
