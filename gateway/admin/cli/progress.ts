import { printable, wrap } from './table.ts'

/** What goes on, for people, on standard error: one line that is rewritten at a terminal; elsewhere only the lines that stay. */
export class Progress {
  readonly #quiet: boolean
  readonly #live: boolean

  constructor(quiet: boolean) {
    this.#quiet = quiet
    this.#live = !quiet && process.stderr.isTTY
  }

  /** Shown until the next call. */
  show(text: string): void {
    if (!this.#live) return
    // A longer one would break into a second line, which can't be rewritten.
    const line = printable(text).slice(0, (process.stderr.columns ?? 80) - 1)
    process.stderr.write(`\r\x1b[2K${line}`)
  }

  /** A line that stays. */
  line(text: string): void {
    if (this.#quiet) return
    this.clear()
    const lines = this.#live ? wrap(text, (process.stderr.columns ?? 80) - 2) : [printable(text)]
    process.stderr.write(`${lines.join('\n  ')}\n`)
  }

  clear(): void {
    if (this.#live) process.stderr.write('\r\x1b[2K')
  }
}
