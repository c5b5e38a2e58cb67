import { systemClock } from '@hypha/core/platform/clock.ts'
import { expect, test } from 'vitest'

test('a timer never runs before its time', async () => {
  for (let round = 0; round < 5; round++) {
    const start = systemClock.monotonic()
    await new Promise<void>((resolve) => systemClock.after(3, resolve))
    expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(3)
  }
})

test('a cancelled timer does not run', async () => {
  let ran = false
  const cancel = systemClock.after(1, () => {
    ran = true
  })
  cancel()
  await new Promise<void>((resolve) => systemClock.after(5, resolve))
  expect(ran).toBe(false)
})

test('a delay that is too long for setTimeout does not run at once', async () => {
  let ran = false
  const cancel = systemClock.after(2 ** 40, () => {
    ran = true
  })
  await new Promise<void>((resolve) => systemClock.after(5, resolve))
  cancel()
  expect(ran).toBe(false)
})
