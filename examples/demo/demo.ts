import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stderr, stdout } from 'node:process'
import { parseArgs } from 'node:util'
import { shortHolds, showClimb, vitalsOf } from './climb.ts'
import { agentProgram, eventually, freePort, hyphaProgram, project, RunningProgram, runProgram } from './processes.ts'
import { plainLine, renderScreen, type ValueRow } from './screen.ts'

const help = `A whole fleet on this machine: a gateway with its edge node, a cloud node and two devices, each a process of its own that joins over TLS.
The greenhouse app is built and pushed; then its values are shown as they come. While they flow, a second release is pushed: all nodes flip to it at one instant, and sign a receipt.
Then a device runs short of memory, and its frost-alarm climbs to the edge and comes home (with --for, from 60s on).

  npm run demo                 runs until Ctrl-C
  npm run demo -- --for 30s    ends by itself, with 0 if every node and every module has reported
  npm run demo -- --plain      lines in place of the table (as without a terminal)
`

// Where examples/greenhouse reports to; its manifest names it, and what it may reach is signed.
const reportPort = 8471

const greenhouse = join(project, 'examples/greenhouse')
const modules = ['sampler', 'frost-alarm', 'ledger', 'report']
const nodes = ['pi-1', 'pi-2', 'edge', 'cloud-1']

const { values: options } = parseArgs({
  options: {
    for: { type: 'string' },
    plain: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  stdout.write(help)
  process.exit(0)
}
/** The epoch that each node runs, as its receipts say. */
const epochs = new Map<string, number>()
const limitMs = options.for === undefined ? null : parseSeconds(options.for)
const asTable = stdout.isTTY && !options.plain

const folder = mkdtempSync(join(tmpdir(), 'hypha-demo-'))
const env = {
  HYPHA_HOME: join(folder, 'hypha'),
  HYPHA_PASSPHRASE: randomBytes(16).toString('hex'),
  // What they write to a pipe is shown here.
  ...(stdout.columns === undefined ? {} : { COLUMNS: `${stdout.columns}` }),
}
const running: RunningProgram[] = []
const notes: string[] = []
let reports = 0
let sink: Server | null = null
let ending: Promise<void> | null = null

process.on('SIGINT', () => void finish(130))
process.on('SIGTERM', () => void finish(143))

try {
  await main()
} catch (error) {
  showCursor()
  stderr.write(`\nThe demo could not go on: ${(error as Error).message}\n`)
  await finish(1)
}

async function main(): Promise<void> {
  sink = await listenForReports()
  step('hypha init demo', 'keys, certificate authority, folder')
  const [httpPort, mqttPort] = [await freePort(), await freePort()]
  await hypha(['init', 'demo', '--host', '127.0.0.1', '--http-port', `${httpPort}`, '--mqtt-port', `${mqttPort}`])

  appendFileSync(join(env.HYPHA_HOME, 'fleet.toml'), shortHolds)

  step('hypha gateway', 'broker, database, and an edge node as its child')
  const gateway = start(hyphaProgram, ['gateway'])
  await gateway.line(/ready/, 60_000)

  step('hypha invite … && hypha-agent join … && hypha-agent run', 'cloud-1, pi-1, pi-2: over TLS, with one-time URLs')
  await Promise.all([
    addNode('cloud-1', 'cloud', cloudFile()),
    addNode('pi-1', 'device', `${deviceFile(1)}\n${vitalsOf(folder)}`),
    addNode('pi-2', 'device', deviceFile(400)),
  ])

  await eventually('every node has said what it is', async () => {
    const known = await json<{ agentVersion: string | null }[]>(['nodes'])
    return known.filter(({ agentVersion }) => agentVersion !== null).length === nodes.length ? true : undefined
  })

  step(
    'hypha plan examples/greenhouse',
    'built from AssemblyScript and C; what each module imports decides where it runs',
  )
  stdout.write(`\n${(await hypha(['plan', greenhouse])).trimEnd()}\n\n`)
  step('hypha push examples/greenhouse', 'signed, sent to the nodes, tried there, and confirmed')
  stdout.write(`${(await hypha(['push', greenhouse])).trimEnd()}\n\n`)
  // Long enough for a look at the plan before the table takes its place.
  if (asTable) await new Promise((done) => setTimeout(done, 5_000))
  await showValues()
}

/** Follows the values until the time is up or somebody ends it. */
async function showValues(): Promise<void> {
  const tiers = new Map((await json<{ id: string; tier: string }[]>(['nodes'])).map(({ id, tier }) => [id, tier]))
  const rows = new Map<string, ValueRow>()
  const lastPrinted = new Map<string, number>()
  const startedAt = Date.now()
  start(hyphaProgram, ['values', '-f', '--json'], (line, stream) => {
    if (stream === 'err') return
    const { node, module, home, metric, value, at } = JSON.parse(line) as Omit<ValueRow, 'atMs'> & { at: number }
    if (value === null) return
    // What has climbed goes on in its line, wherever it runs.
    const key = [home ?? node, module, metric].join(' ')
    const row = rows.get(key) ?? {
      node,
      tier: tiers.get(node) ?? '?',
      module,
      home,
      metric,
      value,
      atMs: at,
      history: [],
    }
    row.node = node
    row.tier = tiers.get(node) ?? '?'
    row.value = value
    row.atMs = at
    row.history = [...row.history.slice(-119), value]
    rows.set(key, row)
    // Every metric once in two seconds is enough for who reads lines.
    if (asTable || Date.now() - (lastPrinted.get(key) ?? 0) < 2_000) return
    lastPrinted.set(key, Date.now())
    stdout.write(`${plainLine(row)}\n`)
  })
  start(hyphaProgram, ['events', '-f', '--json'], (line, stream) => {
    if (stream === 'err') return
    const { node, code, text } = JSON.parse(line) as { node: string; code: string; text: string }
    notes.push(`${node ?? 'gateway'}: ${code}: ${text}`)
    if (!asTable && (['receipt', 'escalated', 'come-home'].includes(code) || code.startsWith('rollout')))
      stdout.write(`${notes.at(-1)}\n`)
    const flipped = code === 'receipt' ? /to (\d+)/.exec(text)?.[1] : undefined
    if (node !== null && flipped !== undefined) epochs.set(node, Number(flipped))
  })

  const draw = asTable ? setInterval(() => drawScreen(rows, startedAt), 250) : null
  if (asTable) stdout.write('\x1b[2J\x1b[?25l')
  const second = pushSecond(Math.min(10_000, (limitMs ?? 60_000) / 3)).catch((error: Error) => {
    say(`The second push did not come through: ${error.message}`)
    return null
  })
  // What a short demo has no time for.
  const climbed =
    limitMs === null || limitMs >= 60_000
      ? second.then(() => showClimb({ folder, json, hypha, say })).then(() => true, couldNotClimb)
      : Promise.resolve(true)
  if (limitMs === null) await new Promise(() => undefined)
  await new Promise((done) => setTimeout(done, Math.max(0, limitMs! - (Date.now() - startedAt))))
  const receipts = await second
  const cameHome = await climbed
  if (draw !== null) clearInterval(draw)
  const seen = [...rows.values()]
  const missing = [
    ...nodes.filter((node) => !seen.some((row) => row.node === node)),
    ...modules.filter((module) => !seen.some((row) => row.module === module)),
  ]
  showCursor()
  if (missing.length > 0) stderr.write(`No value came from ${missing.join(', ')}.\n${notes.join('\n')}\n`)
  else
    stdout.write(
      `\nValues of ${modules.length} modules came from ${nodes.length} nodes; ${reports} reports were posted.\n\n${receipts ?? notes.at(-1)}\n`,
    )
  await finish(missing.length > 0 || receipts === null || !cameHome ? 1 : 0)
}

function couldNotClimb(error: Error): false {
  say(`The climb could not be shown: ${error.message}`)
  return false
}

/** A second release while the values flow, all nodes at once; answers the receipts as `hypha receipt` shows them. */
async function pushSecond(afterMs: number): Promise<string> {
  await new Promise((done) => setTimeout(done, afterMs))
  // What the first push left: a receipt of epoch 1 for each.
  const before = Math.max(0, ...(await receiptsNow()).map(({ to }) => to.epoch))
  for (const node of nodes) epochs.set(node, before)
  const next = join(folder, 'greenhouse')
  cpSync(greenhouse, next, { recursive: true })
  replaceIn(join(next, 'hypha.toml'), 'version = "1.0.0"', 'version = "1.1.0"')
  replaceIn(join(next, 'sampler/assembly/index.ts'), '{"value":', '{"release":2,"value":')
  say('hypha push --snap: release 2 is built, and prepared on every node beside what runs')
  start(hyphaProgram, ['push', next, '--snap'], (line, stream) => {
    // Its plan is the one that was shown, and who has confirmed would push the receipts off the screen.
    if (stream === 'err' && /^\S+ \d+ is |, built in /.test(line)) say(line)
  })
  await eventually(
    'every node has signed its receipt',
    async () => (await receiptsNow()).filter(({ to }) => to.epoch > before).length === nodes.length || undefined,
    120_000,
  )
  say(`all ${nodes.length} nodes flipped at one instant: hypha receipt greenhouse`)
  const table = await hypha(['receipt', 'greenhouse'])
  for (const line of table.trimEnd().split('\n')) if (line !== '') say(line)
  return table.trimEnd()
}

/** The newest receipt of each node. */
function receiptsNow() {
  return json<{ to: { epoch: number } }[]>(['receipt', 'greenhouse']).catch(() => [])
}

function replaceIn(file: string, before: string, after: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(before, after))
}

/** Below the table, or as a line. */
function say(text: string): void {
  notes.push(text)
  if (!asTable) stdout.write(`${text}\n`)
}

/** "epoch 1: pi-1, pi-2; epoch 2: edge", while a second release comes. */
function epochsNow(): string {
  const groups = Map.groupBy([...epochs], ([, epoch]) => epoch)
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([epoch, of]) => ` · epoch ${epoch}: ${of.map(([node]) => node).join(', ')}`)
    .join('')
}

function drawScreen(rows: ReadonlyMap<string, ValueRow>, startedAt: number): void {
  const seconds = Math.floor((Date.now() - startedAt) / 1_000)
  const clock = `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`
  const screen = {
    title: `Hypha demo · greenhouse on ${nodes.length} nodes · ${reports} reports posted · ${clock} · Ctrl-C ends it${epochsNow()}`,
    notes,
    rows: [...rows.values()],
    nowMs: Date.now(),
  }
  const lines = renderScreen(screen, stdout.columns ?? 100).slice(0, (stdout.rows ?? 40) - 1)
  stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`)
}

function showCursor(): void {
  if (asTable) stdout.write('\x1b[?25h\n')
}

/** Somewhere outside the fleet that the greenhouse reports to. */
async function listenForReports(): Promise<Server> {
  const server = createServer((request, response) => {
    reports++
    request.resume().on('end', () => response.writeHead(204).end())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', () =>
      reject(
        new Error(
          `port ${reportPort} on this machine is taken, and the greenhouse reports to it: is another demo running?`,
        ),
      ),
    )
    server.listen(reportPort, '127.0.0.1', resolve)
  })
  return server
}

async function addNode(node: string, tier: string, nodeFile: string): Promise<void> {
  const { url } = await json<{ url: string }>(['invite', node, '--tier', tier, '--url-only'])
  const home = join(folder, node)
  const joined = await runProgram(agentProgram, ['join', url, '--home', home], env)
  if (joined.code !== 0) throw new Error(`${node} could not join: ${joined.stderr}`)
  writeFileSync(join(home, 'agent.toml'), nodeFile)
  const agent = start(agentProgram, ['run', '--home', home])
  await agent.line(/connected/, 60_000)
}

function cloudFile(): string {
  return `labels = ["eu"]\n\n[http]\nallow = ["127.0.0.1:${reportPort}"]\n`
}

/** What a device's sensors are bound to: this machine's own where it has any, and the weather of Seattle, a day in 2.4 seconds. */
function deviceFile(firstDay: number): string {
  const weather = join(project, 'node_modules/vega-datasets/data/seattle-weather.csv')
  const sensors = [
    `[sensor.outdoor]\ndriver = "replay"\nfile = ${JSON.stringify(weather)}\ncolumn = "temp_min"\nrows-per-s = ${firstDay === 1 ? 2 : 3}\nloop = true\n`,
  ]
  if (existsSync('/proc/loadavg')) sensors.push('[sensor.load]\ndriver = "sysfs"\npath = "/proc/loadavg"\n')
  const thermal = '/sys/class/thermal'
  if (existsSync(thermal) && readdirSync(thermal).includes('thermal_zone0')) {
    sensors.push(`[sensor.cpu]\ndriver = "sysfs"\npath = "${thermal}/thermal_zone0/temp"\nscale = 0.001\n`)
  }
  return sensors.join('\n')
}

function start(
  program: string,
  args: readonly string[],
  onLine?: (line: string, stream: 'out' | 'err') => void,
): RunningProgram {
  const child = new RunningProgram(program, args, env, onLine ? { onLine } : {})
  running.push(child)
  return child
}

async function hypha(args: readonly string[]): Promise<string> {
  const { code, stdout: text, stderr: complaint } = await runProgram(hyphaProgram, args, env)
  if (code !== 0) throw new Error(`hypha ${args.join(' ')} ended with ${code}:\n${complaint}${text}`)
  return text
}

async function json<T>(args: readonly string[]): Promise<T> {
  return JSON.parse(await hypha([...args, '--json'])) as T
}

function step(command: string, what: string): void {
  notes.push(command)
  stdout.write(`${asTable ? '\x1b[1m' : ''}$ ${command}${asTable ? '\x1b[22m' : ''}\n  ${what}\n`)
}

/** Ends every process, the newest first, and leaves nothing behind. */
function finish(code: number): Promise<void> {
  ending ??= (async () => {
    showCursor()
    for (const child of [...running].reverse())
      await Promise.race([child.end(), new Promise((done) => setTimeout(done, 8_000))])
    for (const child of running) if (child.running) await child.end('SIGKILL')
    sink?.close()
    rmSync(folder, { recursive: true, force: true })
    process.exit(code)
  })()
  return ending
}

function parseSeconds(text: string): number {
  const [, count, unit] = /^(\d{1,6})(s|min)?$/.exec(text) ?? []
  if (count === undefined) {
    stderr.write(`--for should be a time such as 30s or 5min, is "${text}"\n`)
    process.exit(2)
  }
  return Number(count) * (unit === 'min' ? 60_000 : 1_000)
}
