import { afterEach, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'

// Somebody starts a gateway on a folder that has a running one.

let fleet: Fleet | null = null
afterEach(async () => {
  await fleet?.stop()
  fleet = null
})

test('a second gateway on a folder is refused, and changes nothing that the first one knows', {
  timeout: 60_000,
}, async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-7')
  const status = () => fleet!.json<{ nodes: { online: number } }>(['status'])
  await eventually('pi-7 is online', async () => (await status()).nodes.online === 1 || undefined)
  const second = await fleet.tryHypha(['gateway', '--no-edge', '--json'])
  expect([second.code, JSON.parse(second.stderr).error.code]).toEqual([2, 'already-running'])
  expect((await status()).nodes.online).toBe(1)
})
