import { expect, test } from 'vitest'
import { Image } from '../../../agent/report/image.ts'

const advisor = { app: 'greens', module: 'advisor', home: null }
const id = (number: number): Uint8Array => {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(12, number)
  return bytes
}

test('A call that was begun is known after the segment that said so has gone, for as long as fewer than 1,024 came after it.', () => {
  const image = new Image(new Uint8Array(8))
  for (let number = 1; number <= 1_030; number++) image.apply({ kind: 'call', instance: advisor, id: id(number) }, 1)
  const { image: again } = Image.decode(image.encode(3, 1))
  expect([6, 7, 1_030].map((number) => again.begunCall(advisor, id(number)))).toEqual([false, true, true])
  expect(again.begunCall({ ...advisor, home: 'pi-7' }, id(1_030))).toBe(false)
})

test('What an app has begun is forgotten with the app.', () => {
  const image = new Image(new Uint8Array(8))
  image.apply({ kind: 'call', instance: advisor, id: id(1) }, 1)
  image.apply({ kind: 'forget', app: 'greens', module: null, home: null }, 1)
  expect(image.begunCall(advisor, id(1))).toBe(false)
})
