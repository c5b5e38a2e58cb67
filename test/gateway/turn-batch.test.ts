import { expect, test } from 'vitest'
import { createTurnBatch } from '../../gateway/turn-batch.ts'

interface Said {
  readonly key: string | null
  readonly text: string
}

function batch(maxItems?: number) {
  const handled: string[][] = []
  const words = createTurnBatch<Said>(
    ({ key }) => key,
    (items) => handled.push(items.map(({ text }) => text)),
    maxItems,
  )
  return { words, handled }
}

test('what comes within a turn is handled together, in the order in which it came', async () => {
  const { words, handled } = batch()
  await Promise.all(['a', 'b', 'c'].map((text) => words.add({ key: null, text })))
  expect(handled).toEqual([['a', 'b', 'c']])
})

test('of several with the same key the last one counts, and all of them are answered', async () => {
  const { words, handled } = batch()
  await Promise.all(['1', '2', '3'].map((text) => words.add({ key: 'pi-1', text })))
  await words.add({ key: 'pi-1', text: '4' })
  expect(handled).toEqual([['3'], ['4']])
})

test('a turn handles so many, and the next ones the rest', async () => {
  const { words, handled } = batch(2)
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((text) => words.add({ key: text, text })))
  expect(handled).toEqual([['a', 'b'], ['c', 'd'], ['e']])
})

test('flush handles what waits at once', () => {
  const { words, handled } = batch()
  void words.add({ key: null, text: 'a' })
  words.flush()
  words.flush()
  expect(handled).toEqual([['a']])
})
