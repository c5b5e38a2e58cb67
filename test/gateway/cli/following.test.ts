import { expect, test } from 'vitest'
import { eventually, fleetOnSocket, startHypha } from './support.ts'

const instance = { node: 'pi-7', app: 'greenhouse', module: 'sampler', home: 'pi-7' }

test('logs begin with the past, go on as they are written, none twice, and end with 0 at Ctrl-C', async () => {
  const { folder, gateway } = await fleetOnSocket()
  const add = (text: string) => {
    const line = { at: gateway.clock.now(), ...instance, level: 'info' as const, text }
    return gateway.store.logs.add(line)
  }
  add('before')
  const { child, output, ended } = startHypha(folder, ['logs', '-f', '--json'])
  await eventually(() => output.stdout).toContain('before')
  const line = add('after')
  gateway.feeds.logs.publish([line, line])
  await eventually(() => output.stdout).toContain('after')
  child.kill('SIGINT')
  const { code, stdout, stderr } = await ended
  expect([code, stderr]).toEqual([0, ''])
  const texts = stdout
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each).text)
  expect(texts).toEqual(['before', 'after'])
})

test('values are followed one a line, and only those that are asked for', async () => {
  const { folder, gateway } = await fleetOnSocket()
  const { child, output, ended } = startHypha(folder, ['values', '-f', '--metric', 'humidity'])
  await eventually(() => gateway.feeds.values.followers).toBe(1)
  const value = { ...instance, at: gateway.clock.now() }
  gateway.feeds.values.publish([
    { ...value, metric: 'temperature', value: 21 },
    { ...value, metric: 'humidity', value: 40.5 },
  ])
  await eventually(() => output.stdout).toMatch(/pi-7 {2}greenhouse\/sampler {2}humidity 40\.5\n$/)
  expect(output.stdout).not.toContain('temperature')
  child.kill('SIGINT')
  expect((await ended).code).toBe(0)
})

test('a gateway that ends says so to who follows, with 5', async () => {
  const { folder, gateway, stop } = await fleetOnSocket()
  const { ended } = startHypha(folder, ['events', '-f'])
  await eventually(() => gateway.feeds.events.followers).toBe(1)
  await stop()
  const { code, stderr } = await ended
  expect(code).toBe(5)
  expect(stderr).toMatch(/gateway-stopping|gateway-unreachable/)
})

test('a reader that stops reading is no failure', async () => {
  const { folder, gateway } = await fleetOnSocket()
  const { child, ended } = startHypha(folder, ['events', '-f'])
  await eventually(() => gateway.feeds.events.followers).toBe(1)
  child.stdout!.destroy()
  const event = { id: 1, at: 1, ...instance, code: 'trapped', text: 'unreachable' }
  gateway.feeds.events.publish([event])
  // The first write finds nobody there, at the latest the second one fails.
  gateway.feeds.events.publish([{ ...event, id: 2 }])
  expect(await ended).toMatchObject({ code: 0, stderr: '' })
})
