/**
 * Nodes that share a process are nodes on machines of their own otherwise: what one has to compute must not make another's clock look wrong. So those that measure wait until none computes, and a few do it at a
 * time.
 */
export class Turns {
  #computing = 0
  #measuring = 0
  readonly #waiting: (() => void)[] = []
  readonly #atOnce: number

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  async compute<T>(run: () => Promise<T>): Promise<T> {
    this.#computing++
    try {
      return await run()
    } finally {
      this.#computing--
      this.#next()
    }
  }

  async measure(run: () => Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
      this.#next()
    })
    try {
      await run()
    } finally {
      this.#measuring--
      this.#next()
    }
  }

  #next(): void {
    while (this.#computing === 0 && this.#measuring < this.#atOnce && this.#waiting.length > 0) {
      this.#measuring++
      this.#waiting.shift()!()
    }
  }
}

/** As close as that they look at the clock, and while nobody is due for long. */
const napMs = 0.05
const longNapMs = 0.5
const sleeper = new Int32Array(new SharedArrayBuffer(4))
/** The next first. */
const due: { readonly at: number; readonly run: () => void }[] = []
let waking = false

/** As an agent naps before its instant; all that share this process together, each woken when it is its turn: that all look at the clock would make all late. */
export function soon(run: () => void, leftMs: number): void {
  const at = performance.now() + leftMs
  const before = due.findLastIndex((each) => each.at <= at)
  due.splice(before + 1, 0, { at, run })
  if (!waking) setImmediate(wake)
  waking = true
}

function wake(): void {
  const leftMs = Math.max(0, due[0]!.at - performance.now())
  Atomics.wait(sleeper, 0, 0, leftMs > 2 * longNapMs ? longNapMs : Math.min(napMs, leftMs))
  while (due.length > 0 && due[0]!.at <= performance.now()) due.shift()!.run()
  waking = due.length > 0
  if (waking) setImmediate(wake)
}

/** When all who share this process have flipped, for sure; and from then on so long, one after the other. */
const calmMs = 50
const toldWithinMs = 500
let toTell: (() => void)[] = []

/** What a node does after its flip: at once it would hold up those that share its process, as it does on no machine of its own, and so would a timer for each. */
export function whenCalm(tell: () => void): void {
  if (toTell.push(tell) > 1) return
  setTimeout(() => {
    const telling = toTell
    toTell = []
    for (const each of telling) setTimeout(each, Math.random() * toldWithinMs)
  }, calmMs)
}
