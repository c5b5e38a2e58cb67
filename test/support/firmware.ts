import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { toHex } from '@hypha/core/bytes/text.ts'

const root = join(import.meta.dirname, '../..')
export const firmwareFolder = join(root, 'firmware-bridge/firmware')

/** Builds a target of the firmware for this machine, with sanitizers: a read out of bounds ends the process, and the test with it. Answers the program's path. */
export function buildChecked(target: string): string {
  // Several test files may want the same: one builds, the others wait.
  const run = ['make', '-s', '-C', firmwareFolder, 'SANITIZE=1', target]
  execFileSync('flock', [join('/tmp', `hypha-firmware-${process.getuid?.()}.lock`), ...run], { stdio: 'pipe' })
  return join(root, 'dist/firmware/host-checked', target === 'tools' ? '' : target)
}

/** A tool of the firmware that answers questions: one line each, words in hex. */
export class Asked {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: ((line: string) => void)[] = []
  #errors = ''

  constructor(program: string, args: readonly string[] = []) {
    this.#child = spawn(program, args)
    this.#child.stderr.on('data', (bytes) => {
      this.#errors += bytes
    })
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#waiting.shift()?.(line.trimEnd()))
    // A process that dies answers what is still asked with what it said last.
    this.#child.on('close', () => {
      for (const answer of this.#waiting.splice(0)) answer(`died: ${this.#errors}`)
    })
    this.#child.stdin.on('error', () => this.#child.kill())
  }

  ask(what: string, ...words: readonly (Uint8Array | string)[]): Promise<string> {
    const hex = words.map((word) => (typeof word === 'string' ? word : toHex(word) || '-'))
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#child.stdin.write(`${[what, ...hex].join(' ')}\n`)
    })
  }

  end(): void {
    this.#child.stdin.end()
  }
}
