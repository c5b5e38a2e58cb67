import { expect, it } from 'vitest'
import { createProgress } from '../../../gateway/distribute/progress.ts'
import { progress } from '../../../src/wire/messages/progress.ts'
import { digest } from './support.ts'

it('The last word of each node about each app is kept, and nonsense changes nothing', () => {
  const known = createProgress(2)
  const say = (app: string, bytes: number) =>
    known.onProgress('pi-7', progress.encode({ app, epoch: 2, release: digest(1), bytes, ofBytes: 70 }))
  for (const bytes of [10, 30]) say('greenhouse', bytes)
  expect(() => known.onProgress('pi-7', new Uint8Array([1]))).toThrow()
  expect(known.get('pi-7', 'greenhouse')).toMatchObject({ bytes: 30, ofBytes: 70 })
  expect(known.get('pi-8', 'greenhouse')).toBeNull()
  say('second', 1)
  say('third', 1)
  expect(known.get('pi-7', 'third')).toBeNull()
  known.forget('pi-7')
  expect(known.get('pi-7', 'greenhouse')).toBeNull()
})
