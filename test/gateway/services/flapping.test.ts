import { expect, it } from 'vitest'
import { inventoryOf, reports, startFleet } from '../api/gateway.ts'

it('A node that says something new of itself without end has the fleet planned anew a few times, and is heard again later', async () => {
  const gateway = await startFleet()
  const says = (storageBytes: number) =>
    reports(gateway, 'pi-7', 'device', { inventory: { ...inventoryOf('device'), storageBytes } })
  gateway.clock.advance(10_000)
  const idle = gateway.clock.waiting
  let planned = 0
  for (let count = 1; count <= 200; count++) {
    says(count * 1_073_741_824)
    if (gateway.clock.waiting > idle) planned++
    gateway.clock.advance(300)
  }
  // Ten at once, and one each ten seconds of the minute that it took.
  expect(planned).toBeGreaterThan(5)
  expect(planned).toBeLessThanOrEqual(17)
  gateway.clock.advance(10_000)
  says(1)
  expect(gateway.clock.waiting).toBeGreaterThan(idle)
})
