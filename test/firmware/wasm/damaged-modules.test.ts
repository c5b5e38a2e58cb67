import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { buildChecked } from '../../support/firmware.ts'
import { seeded } from '../../support/random.ts'
import { engineAccepts, generatedModules, probe, withBatch } from './v8.ts'

const perModule = Number(process.env.HYPHA_WASM_DAMAGE ?? 60)
/** What this interpreter refuses and another may take, in its own words. */
const isOwnLimit = (words: string) => /isn't supported|limit of the interpreter|scratch memory/.test(words)
/** Later versions of WebAssembly have more types, more constant expressions and several memories; their flags are nothing to this one. */
const isLaterVersion = (words: string) => /constant expression|malformed flag, kind or type|illegal opcode/.test(words)

/** Milliseconds; the suite's own form takes seconds. */
const longForm = 1_800_000

let program: string
let damaged: Uint8Array[]

/** Modules of the official suite that are neither tiny nor huge. */
function suiteModules(count: number, random: () => number): Uint8Array[] {
  const suite = join(import.meta.dirname, '../../vectors/wasm-spec')
  const folder = mkdtempSync(join(tmpdir(), 'hypha-suite-'))
  try {
    for (const name of ['binary', 'call_indirect', 'memory_copy', 'block', 'func_ptrs', 'start'])
      spawnSync('wast2json', [join(suite, `${name}.wast`), '-o', join(folder, `${name}.json`)])
    const all = readdirSync(folder)
      .filter((name) => name.endsWith('.wasm'))
      .sort()
      .map((name) => new Uint8Array(readFileSync(join(folder, name))))
    return Array.from({ length: count }, () => all[Math.floor(random() * all.length)]!)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Bytes that mean something where code or a section stands. */
const telling = [
  0x00, 0x01, 0x0b, 0x0d, 0x0e, 0x10, 0x11, 0x20, 0x40, 0x41, 0x6a, 0x70, 0x7e, 0x7f, 0x80, 0xd2, 0xfc, 0xff,
]

function damage(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit)
  const made = Uint8Array.from(bytes)
  for (let times = 1 + below(3); times > 0; times--) {
    // Behind the header, most of the time.
    const at = made.length > 8 && below(10) > 0 ? 8 + below(made.length - 8) : below(made.length)
    const ways = [below(256), made[at]! ^ (1 << below(8)), made[below(made.length)]!, telling[below(telling.length)]!]
    made[at] = ways[below(ways.length)]!
  }
  return below(8) === 0 ? made.subarray(0, below(made.length + 1)) : made
}

beforeAll(() => {
  program = buildChecked('wasm-probe')
  const random = seeded(7)
  const whole = [...generatedModules(25, 11), ...suiteModules(25, random)]
  damaged = whole.flatMap((bytes) => Array.from({ length: perModule }, () => damage(bytes, random)))
}, longForm)

test(
  'What V8 refuses is refused, and what V8 takes is taken or refused with a reason of our own',
  () => {
    const verdicts = withBatch(damaged, (path) => probe(program, ['validate', path]))
      .trimEnd()
      .split('\n')
    expect(verdicts.length).toBe(damaged.length)
    const wrong: unknown[] = []
    damaged.forEach((bytes, index) => {
      const ours = verdicts[index]!
      const theirs = engineAccepts(bytes)
      const isRight = ours === 'ok' ? theirs : !theirs || isOwnLimit(ours) || isLaterVersion(ours)
      if (!isRight) wrong.push({ index, ours, theirs, bytes: Buffer.from(bytes).toString('hex') })
    })
    expect(wrong).toEqual([])
  },
  longForm,
)

test(
  'What is taken runs without touching a byte beyond its memory, stack and side table',
  () => {
    // The probe is built with sanitizers, and throws here if one ended it.
    const printed = withBatch(damaged, (path) => probe(program, ['fuzz', path, '20000']))
    expect(printed.split('=\n').length).toBe(damaged.length + 1)
  },
  longForm,
)
