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

/** As close as that they look at the clock. */
const napMs = 0.05
const sleeper = new Int32Array(new SharedArrayBuffer(4))
let waiting: (() => void)[] = []

/** As an agent naps before its instant; all that share this process together. */
export function soon(run: () => void): void {
  if (waiting.push(run) > 1) return
  setImmediate(() => {
    Atomics.wait(sleeper, 0, 0, napMs)
    const woken = waiting
    waiting = []
    for (const look of woken) look()
  })
}
