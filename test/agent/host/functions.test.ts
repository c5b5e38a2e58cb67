import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TurnEffects } from '../../../agent/host/effects.ts'
import type { HostContext } from '../../../agent/host/host.ts'
import { kvFunctions } from '../../../agent/host/kv.ts'
import { logFunctions } from '../../../agent/host/log.ts'
import { messagesFunctions } from '../../../agent/host/messages.ts'
import { telemetryFunctions } from '../../../agent/host/telemetry.ts'
import { TurnHome } from '../../../agent/host/turn-home.ts'

function context(changes: Partial<HostContext['limits']> = {}, publish: readonly string[] = []) {
  const time = { ms: 0 }
  const limits = { memoryBytes: 65_536, turnMs: 100, telemetryPerS: 10, messagesPerS: 10, kvBytes: 1_000, ...changes }
  const host: HostContext = {
    key: { app: 'app', module: 'module', home: null },
    config: new Map(),
    limits,
    publish,
    effects: new TurnEffects(),
    turn: new TurnHome(),
    now: () => 1_000 + time.ms,
    monotonic: () => time.ms,
    ask: () => undefined,
  }
  return { host, time, effects: host.effects }
}

type Call = (...args: unknown[]) => unknown
const ok = { tag: 'ok', val: undefined }
const err = (val: string) => ({ tag: 'err', val })

test('Samples over the rate are refused and counted, and taken again as time passes.', () => {
  const { host, time, effects } = context()
  const { emit } = telemetryFunctions(host) as Record<string, Call>
  const answers = Array.from({ length: 12 }, () => emit!('x', 1))
  expect(answers.filter((answer) => (answer as { tag: string }).tag === 'ok')).toHaveLength(10)
  expect(answers.at(-1)).toEqual(err('throttled'))
  expect(effects.throttled.samples).toBe(2)
  time.ms = 100
  expect([emit!('x', 1), emit!('x', 1)]).toEqual([ok, err('throttled')])
})

test('Metrics have names of a form and values that are numbers, and an instance has so many of them.', () => {
  const { host } = context({ telemetryPerS: 10_000 })
  const { emit } = telemetryFunctions(host) as Record<string, Call>
  for (const name of ['', '-a', 'a b', 'a/b', 'ä', 'x'.repeat(65)])
    expect(emit!(name, 1)).toEqual(err('invalid-metric'))
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) expect(emit!('x', value)).toEqual(err('invalid-metric'))
  for (let index = 0; index < 255; index++) expect(emit!(`metric.${index}`, 1)).toEqual(ok)
  expect(emit!('one-more', 1)).toEqual(err('too-many-metrics'))
  expect(emit!('x', 1)).toEqual(ok)
})

test('A message needs a topic, a grant, and a payload within its cap.', () => {
  const { host, effects } = context({}, ['climate/+/alarm', 'log/#'])
  const { publish } = messagesFunctions(host) as Record<string, Call>
  expect(publish!('climate/a/alarm', Uint8Array.of(1))).toEqual(ok)
  expect(publish!('climate/a', new Uint8Array())).toEqual(err('not-granted'))
  for (const topic of ['', '/a', 'log/+', 'log/#', 'log/\0', `log/${'x'.repeat(300)}`]) {
    expect(publish!(topic, new Uint8Array())).toEqual(err('invalid-topic'))
  }
  expect(publish!('log/a', new Uint8Array(32_769))).toEqual(err('too-long'))
  expect(effects.messages.map(({ topic }) => topic)).toEqual(['climate/a/alarm'])
})

test('A log line is cut at 1,024 bytes between characters.', () => {
  const { host, effects } = context()
  const { write } = logFunctions(host) as Record<string, Call>
  write!('info', 'short')
  write!('warn', `${'x'.repeat(1_023)}ü`)
  write!('warn', '🌱'.repeat(400))
  expect(effects.logs.map(({ text }) => new TextEncoder().encode(text).length)).toEqual([5, 1_023, 1_024])
})

test('kv behaves as a map with a quota, whatever is done to it, and tells the last word on each key.', () => {
  const key = fc.oneof(
    fc.constantFrom('', 'a', 'b', 'ab', 'z'.repeat(128), 'z'.repeat(129)),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
  )
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.record({ kind: fc.constant('keys' as const), key }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { host, effects } = context()
      const before = new Map([['a', Uint8Array.of(1, 2, 3)]])
      const kv = kvFunctions(host, new Map(before)) as Record<string, Call>
      const model = new Map<string, Uint8Array>(before)
      for (const { kind, key, ...rest } of steps) {
        if (kind === 'set') {
          const { value } = rest as { value: Uint8Array }
          if ((kv.set!(key, value) as { tag: string }).tag === 'ok') model.set(key, value)
        } else if (kind === 'delete') {
          kv.delete!(key)
          model.delete(key)
        } else {
          const expected = [...model.keys()].filter((entry) => entry.startsWith(key))
          expect(kv.keys!(key)).toEqual(expected.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
        }
        expect(kv.get!(key)).toEqual(model.get(key))
      }
      const used = [...model].reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + value.length, 0)
      expect(used).toBeLessThanOrEqual(1_000)
      const replayed = new Map<string, Uint8Array>(before)
      for (const [name, value] of effects.kv) {
        if (value === null) replayed.delete(name)
        else replayed.set(name, value)
      }
      expect(replayed).toEqual(model)
    }),
  )
})
