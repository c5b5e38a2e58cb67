import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hyphaProgram } from '../../examples/demo/processes.ts'
import { Fleet } from '../support/fleet.ts'
import { lastValue, steadySensor, writeApp } from './support.ts'

// An app on its way: a second release, back to the first, and with other settings.

const version = (number: number) => `
import { get } from "hypha/host/config";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
function lengthOf(key: string): f64 {
  const value = get(key);
  return value === null ? -1 : <f64>value.length;
}
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  emit("version", ${number});
  emit("greeting", lengthOf("greeting"));
  emit("token", lengthOf("token"));
}
`
const manifest = '[module.main]\ntimer = "200ms"\n\n[module.main.config]\ngreeting = "hi"\n'
const secret = 'a-secret-that-nobody-may-read'

interface Release {
  number: number
  current: boolean
}

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
})
afterAll(() => fleet.stop())

const push = (number: number) =>
  fleet.json<{ epoch: number }>(['push', '--no-wait', writeApp(fleet, 'app', manifest, { main: version(number) })])
const shows = (metric: string, expected: number) =>
  lastValue(fleet, { app: 'app', metric }, ({ value }) => value === expected)
const epoch = async () => (await fleet.json<{ epoch: number }>(['app', 'app'])).epoch

test('A rollback runs the release before again, under a higher epoch, and says why where', async () => {
  const first = await push(1)
  await shows('version', 1)
  const second = await push(2)
  await shows('version', 2)
  expect(second.epoch).toBeGreaterThan(first.epoch)
  expect(await fleet.json<Release[]>(['releases', 'app'])).toMatchObject([
    { number: 2, current: true },
    { number: 1, current: false },
  ])

  const back = await fleet.json<{ number: number; epoch: number; outcome: { confirmed: string[] } }>([
    'rollback',
    'app',
  ])
  expect(back).toMatchObject({ number: 1, outcome: { confirmed: ['pi-1'] } })
  expect(back.epoch).toBeGreaterThan(second.epoch)
  await shows('version', 1)
  expect(await fleet.json<Release[]>(['releases', 'app'])).toMatchObject([
    { number: 2, current: false },
    { number: 1, current: true },
  ])
  const why = await fleet.json<{ release: number; sentences: string[] }>(['why', 'main'])
  expect(why.release).toBe(1)
  expect(why.sentences.join('\n')).toContain('pi-1')
  const actions = (await fleet.json<{ action: string }[]>(['audit'])).map(({ action }) => action)
  expect(actions.slice(0, 3)).toEqual(['app.rollback', 'app.push', 'app.push'])
})

test('A setting of the operator goes over that of the release, and what the release says holds again without it', async () => {
  await shows('greeting', 'hi'.length)
  const before = await epoch()
  await fleet.hypha(['config', 'set', 'app', 'greeting', 'good morning'])
  await shows('greeting', 'good morning'.length)
  expect(await epoch()).toBeGreaterThan(before)
  await fleet.hypha(['config', 'set', 'app', 'greeting', 'good', '--node', 'pi-1'])
  await shows('greeting', 'good'.length)
  await fleet.hypha(['config', 'unset', 'app', 'greeting', '--node', 'pi-1'])
  await fleet.hypha(['config', 'unset', 'app', 'greeting'])
  await shows('greeting', 'hi'.length)
})

test('A secret reaches the module that it is for, and is plain nowhere else', async () => {
  await shows('token', -1)
  const set = [hyphaProgram, 'config', 'set', 'app', 'token', '--secret']
  execFileSync(process.execPath, set, { input: `${secret}\n`, env: { ...process.env, ...fleet.env } })
  await shows('token', secret.length)
  expect(await fleet.json(['config', 'list', 'app'])).toMatchObject([{ key: 'token', secret: true, value: null }])
  const shown = await Promise.all(['audit', 'events', 'logs'].map((command) => fleet.hypha([command])))
  const logs = [...fleet.gateway!.lines, ...fleet.agents.get('pi-1')!.lines]
  expect([...shown, ...logs].filter((text) => text.includes(secret))).toEqual([])
  expect(filesWith(fleet.folder, secret)).toEqual([])
})

function filesWith(folder: string, word: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const stat = statSync(join(folder, path), { throwIfNoEntry: false })
    return stat?.isFile() === true && readFileSync(join(folder, path)).includes(word)
  })
}
