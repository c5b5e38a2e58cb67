// A gateway's ingest in a process of its own, to be killed: goes on from what is stored, and prints what it acknowledges.
import { openStore } from '../../../gateway/store/store.ts'
import { incarnation, packed, sample, testIngest } from './support.ts'

const store = openStore(process.argv[2]!, { fleet: 'greens' })
const { ingest, told } = testIngest(store)
let next = (store.marks.get('pi-7', incarnation) ?? 0) + 1
const perReport = 20

function step(): void {
  for (let count = 0; count < 3; count++, next += perReport) {
    const entries = Array.from({ length: perReport }, (_, index) => sample(next + index))
    ingest.onReport('pi-7', packed(next, entries))
    // What was not acknowledged may come again.
    if (next > perReport)
      ingest.onReport(
        'pi-7',
        packed(
          next - perReport,
          entries.map((_, index) => sample(next - perReport + index)),
        ),
      )
  }
  ingest.flush()
  told.ack.length = 0
  process.send?.(next - 1)
  setImmediate(step)
}
step()
