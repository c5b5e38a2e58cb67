import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BoardJournal } from '../../../agent/boards/board-journal.ts'
import { BoardShipper } from '../../../agent/boards/board-shipper.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const incarnation = new Uint8Array(8).fill(3)
const mac = new Uint8Array(16).fill(9)
const none = new Uint8Array()
const bodyOf = (first: number, count = 2, of = incarnation) =>
  report.encode({
    incarnation: of,
    first,
    count,
    baseMs: 1,
    series: [],
    samples: { series: none, offset: none, at: none, value: none },
    after: null,
    pausedMs: null,
    entries: [],
  })

let folder: string
let files: Files
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-board-journal-'))
  files = nodeFiles(folder)
  files.ensureFolder('boards')
})
afterEach(() => rmSync(folder, { recursive: true }))

const open = (maxBytes?: number) => new BoardJournal(files, 'boards/mcu-1', maxBytes)
const firsts = (journal: BoardJournal) => journal.reports.map(({ first }) => first)

describe('The journal of a board on its node', () => {
  it('has what was kept after the process was killed', async () => {
    const journal = open()
    for (const first of [1, 3, 5]) expect(await journal.add(bodyOf(first), mac)).toBe(true)
    journal.stored(incarnation, 2)
    const again = open()
    expect(firsts(again)).toEqual([1, 3, 5])
    again.stored(incarnation, 4)
    await again.add(bodyOf(7), mac)
    expect(firsts(open())).toEqual([1, 3, 5, 7])
  })

  it('begins anew once the gateway has all', async () => {
    const journal = open()
    for (const first of [1, 3]) await journal.add(bodyOf(first), mac)
    expect(journal.stored(incarnation, 4)).toBe(true)
    expect(journal.stored(incarnation, 4)).toBe(false)
    await journal.add(bodyOf(5), mac)
    expect(firsts(open())).toEqual([5])
  })

  it('goes on before a record that was cut off', async () => {
    const journal = open()
    for (const first of [1, 3]) await journal.add(bodyOf(first), mac)
    const file = files.open('boards/mcu-1')
    file.truncate(file.size() - 1)
    file.close()
    const again = open()
    expect(firsts(again)).toEqual([1])
    await again.add(bodyOf(3), mac)
    expect(firsts(open())).toEqual([1, 3])
  })

  it('keeps once what is given twice, and anew what another start of the board has numbered', async () => {
    const journal = open()
    await journal.add(bodyOf(1), mac)
    await journal.add(bodyOf(1), mac)
    await journal.add(bodyOf(1, 2, new Uint8Array(8)), mac)
    expect(firsts(journal)).toEqual([1, 1])
    expect(journal.newest).toMatchObject({ upTo: 2 })
  })

  it('takes no more than it has room for, and goes on when the gateway has taken some', async () => {
    const journal = open(200)
    const kept = []
    for (const first of [1, 3, 5, 7]) kept.push(await journal.add(bodyOf(first), mac))
    expect(kept.filter(Boolean).length).toBeLessThan(4)
    const { length } = journal.reports
    journal.stored(incarnation, 2)
    expect(await journal.add(bodyOf(1 + 2 * length), mac)).toBe(true)
    for (let first = 3 + 2 * length; first < 41; first += 2) {
      journal.stored(incarnation, first - 4)
      expect(await journal.add(bodyOf(first), mac)).toBe(true)
    }
    expect(firsts(open(200)).at(-1)).toBe(39)
  })
})

describe('What a board has reported', () => {
  it('is sent in order, and again when no word comes or the link was away', async () => {
    const clock = new FakeClock()
    const journal = open()
    let online = false
    const sent: number[] = []
    const shipper = new BoardShipper(
      journal,
      clock,
      () => online,
      ({ first }) => sent.push(first),
    )
    for (const first of [1, 3, 5]) {
      await journal.add(bodyOf(first), mac)
      shipper.pump()
    }
    expect(sent).toEqual([])
    online = true
    shipper.again()
    expect(sent.splice(0)).toEqual([1, 3, 5])
    shipper.stored(incarnation, 2)
    clock.advance(5_000)
    expect(sent.splice(0)).toEqual([3, 5])
    shipper.stored(incarnation, 6)
    await journal.add(bodyOf(7), mac)
    shipper.pump()
    expect(sent).toEqual([7])
  })
})
