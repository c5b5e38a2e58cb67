import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseNodeFile } from '@hypha/agent/host/node-file.ts'
import { toUtf8 } from '@hypha/core/bytes/text.ts'
import { createKeyFile, openKeyFile, readKeyInfo } from '../../../gateway/keys/key-file.ts'
import { loadManifest } from '../../../gateway/push/build/manifest.ts'
import { parseWit } from '../../../gateway/push/build/wit-parser.ts'
import { outcome, type Prepared, reads, refusal, type Target } from '../target.ts'

/** A text in the folder of one run. */
function fileTarget(
  about: Omit<Target, 'prepare'>,
  file: string,
  seeds: readonly string[],
  read: (path: string, folder: string) => unknown,
): Target {
  const prepare = (): Prepared => {
    const folder = mkdtempSync(join(tmpdir(), 'hypha-fuzz-'))
    mkdirSync(join(folder, 'sampler'))
    const path = join(folder, file)
    return {
      seeds: seeds.map(toUtf8),
      run(input) {
        writeFileSync(path, input, { mode: 0o600 })
        return outcome(reads(() => read(path, folder)))
      },
      close: () => rmSync(folder, { recursive: true, force: true }),
    }
  }
  return { ...about, prepare }
}

const manifest = `[app]
name = "greenhouse"
version = "1.2.0"

[module.sampler]
source = "sampler"
timer = "5s"
subscribe = ["a/+/b", "c/#"]
publish = ["d"]
config = { unit = "C", "limit" = "21.5" }
requires = ["room=north"]
http = ["api.example:443"]
isolate = true
memory = "256KiB"

[module.ledger]
source = "ledger"
scope = "fleet"
`

const toml = [
  '[',
  ']',
  '[[',
  '= ',
  '"',
  '"""',
  "'",
  '{',
  '}',
  ',',
  '\n',
  '#',
  'nan',
  'inf',
  '1e999',
  '0x',
  '1979-05-27',
  '__proto__',
  '\\u0000',
  '\\ud800',
  'true',
  '-',
  '[module.',
  'constructor',
]

export const manifestTarget = fileTarget(
  { name: 'manifest', about: 'hypha.toml of an app', words: toml, short: 400, maxBytes: 4_096 },
  'hypha.toml',
  [manifest],
  (_path, folder) => loadManifest(folder),
)

export const nodeFileTarget: Target = {
  name: 'node-file',
  about: 'agent.toml of a node',
  words: toml,
  maxBytes: 4_096,
  short: 3_000,
  prepare: () => ({
    seeds: [
      `labels = ["floor=2", "greenhouse"]
memory = "64MiB"
components = true

[sensor.cpu]
driver = "sysfs"
path = "/sys/class/thermal/thermal_zone0/temp"
scale = 0.001

[sensor.outdoor]
driver = "replay"
file = "weather.csv"
column = "temp_max"
rows-per-s = 10

[actuator.fan]
driver = "file"
path = "/sys/class/pwm/pwmchip0/pwm0/duty_cycle"
max = 100

[http]
allow = ["Example.com:443"]
timeout = "2s"

[sql]
max = "8MiB"
`,
      'labels = []\n',
    ].map(toUtf8),
    run: (input) => outcome(reads(() => parseNodeFile(new TextDecoder().decode(input)))),
  }),
}

const wit = `package app:greenhouse@1.0.0;

/// What it is.
interface ledger {
  use types.{entry as item};
  record entry { at: u64, value: f64, %list: list<tuple<string, option<u8>>>, }
  variant outcome { good(entry), bad(string), none, }
  enum level { low, high }
  flags what { a, b, c }
  type row = result<list<entry>, string>;
  add: func(e: entry, l: level) -> result<_, string>;
  all: func() -> row;
}
`

export const witTarget: Target = {
  name: 'wit',
  about: 'interfaces in WIT',
  maxBytes: 8_192,
  short: 4_000,
  words: [
    'interface ',
    'record ',
    'variant ',
    'func(',
    '->',
    'list<',
    '>',
    'option<option<',
    'result<_',
    '{',
    '}',
    ';',
    '/*',
    '*/',
    '//',
    '%',
    '@1.0.0',
    'use ',
    'type ',
    ',',
    ':',
    'resource ',
    'tuple<>',
  ],
  prepare: () => ({
    seeds: [toUtf8(wit), toUtf8(`package a:b;\n${'interface x { f: func(a: list<list<list<u8>>>); }\n'}`)],
    run: (input) => outcome(reads(() => parseWit('x.wit', new TextDecoder().decode(input)))),
  }),
}

export const keyFileTarget: Target = {
  name: 'key-file-text',
  about: "a person's key file: its text, and opening it",
  maxBytes: 8_192,
  short: 250,
  words: ['#', '\n', '=', '==', 'AAAA', '\0'],
  async prepare() {
    const folder = mkdtempSync(join(tmpdir(), 'hypha-fuzz-'))
    const path = join(folder, 'a.key')
    const seed = new Uint8Array(32).fill(3)
    await createKeyFile(path, { fleet: 'garden', role: 'release', seed, protection: { unsafePlain: true } })
    const { readFileSync } = await import('node:fs')
    const plain = new Uint8Array(readFileSync(path))
    return {
      seeds: [plain],
      async run(input) {
        writeFileSync(path, input, { mode: 0o600 })
        const info = reads(() => readKeyInfo(path))
        if ('refused' in info) return outcome(info)
        return openKeyFile(path, null).then(() => 'read', refusal)
      },
      close: () => rmSync(folder, { recursive: true, force: true }),
    }
  },
}
