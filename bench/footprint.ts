// What an agent weighs: resident memory of a joined agent that received and prepared its one module itself, against bare `node`; its bundle; how soon
// after its start the module ticks; and what a sample costs in its journal.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { bundleAgent } from '../agent/bundle.ts'
import { runProgram } from '../examples/demo/processes.ts'
import { eventually, Fleet } from '../test/support/fleet.ts'
import { type BenchOptions, type BenchResult, median } from './bench.ts'

const node = 'pi'
const samplesPerS = 1

// One sensor, one sample a second, as small as a module gets.
const manifest = `[app]
name = "probe"
version = "1.0.0"

[module.sampler]
timer = "1s"
`
const source = `import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";

export function tick(nowMs: u64): void {
  const level = read("level");
  if (level.isOk) emit("level", level.value);
}
`

interface Memory {
  readonly rss: number
  readonly anon: number
  readonly file: number
  readonly peak: number
}

/** As the kernel counts it, in MB of 1,048,576 bytes. */
function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { rss: mb('VmRSS'), anon: mb('RssAnon'), file: mb('RssFile'), peak: mb('VmHWM') }
}

async function settled(pid: number, settleMs: number): Promise<Memory> {
  await pause(settleMs)
  const readings: Memory[] = []
  for (let reading = 0; reading < 9; reading++) {
    readings.push(memoryOf(pid))
    await pause(300)
  }
  const of = (name: keyof Memory): number => median(readings.map((each) => each[name]))
  return { rss: of('rss'), anon: of('anon'), file: of('file'), peak: of('peak') }
}

async function bareNode(folder: string, settleMs: number): Promise<Memory> {
  const program = join(folder, 'idle.mjs')
  writeFileSync(program, 'setInterval(() => undefined, 1_000_000)\n')
  const child = spawn(process.execPath, [program], { stdio: 'ignore' })
  try {
    return await settled(child.pid!, settleMs)
  } finally {
    child.kill()
    await once(child, 'exit')
  }
}

/** The other side of the sensor: each read is a tick, seen from outside the agent. */
async function countingSensor(path: string) {
  const counter = { reads: 0, first: Promise.withResolvers<number>() }
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.setEncoding('utf8').on('data', (text: string) => {
      for (const _line of text.trim().split('\n')) {
        counter.reads++
        counter.first.resolve(performance.now())
        socket.write('21.5\n')
      }
    })
  }).listen(path)
  await once(server, 'listening')
  return { counter, close: () => server.close() }
}

function journalBytes(home: string): number {
  const folder = join(home, 'data/journal')
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const settleMs = quick ? 5_000 : 30_000
  const boots = quick ? 3 : 7
  const fleet = await Fleet.start({ name: 'footprint' })
  const sensor = await countingSensor(join(fleet.folder, 'sensor'))
  try {
    const bundle = join(fleet.folder, 'bundle')
    const bundleBytes = await bundleAgent(bundle)
    const program = join(bundle, 'main.js')
    const home = fleet.agentHome(node)
    const { url } = await fleet.json<{ url: string }>(['invite', node, '--tier', 'device', '--url-only'])
    const joined = await runProgram(program, ['join', url, '--home', home], {}, fleet.folder)
    if (joined.code !== 0) throw new Error(`The agent could not join: ${joined.stderr}`)
    fleet.writeNodeFile(node, `[sensor.level]\ndriver = "socket"\npath = "${join(fleet.folder, 'sensor')}"\n`)

    let agent = await fleet.startAgent(node, program)
    const app = join(fleet.folder, 'probe')
    mkdirSync(join(app, 'sampler/assembly'), { recursive: true })
    writeFileSync(join(app, 'hypha.toml'), manifest)
    writeFileSync(join(app, 'sampler/assembly/index.ts'), source)
    await fleet.hypha(['push', app])
    await eventually('a tick', () => (sensor.counter.reads > 0 ? true : undefined))
    const bare = await bareNode(fleet.folder, 1_000)
    const [readsBefore, bytesBefore] = [sensor.counter.reads, journalBytes(home)]
    const running = await settled(agent.child.pid!, settleMs)
    const perSample = (journalBytes(home) - bytesBefore) / (sensor.counter.reads - readsBefore)
    await eventually('a confirmed release', async () => {
      const { sections } = await fleet.json<{ sections: { status: string }[] }>(['node', node])
      return sections.every(({ status }) => status === 'confirmed') ? true : undefined
    })

    const bootMs: number[] = []
    for (let boot = 0; boot < boots; boot++) {
      await agent.end()
      sensor.counter.first = Promise.withResolvers<number>()
      const started = performance.now()
      agent = fleet.spawnAgent(node, program)
      bootMs.push((await sensor.counter.first.promise) - started)
      await agent.line(/connected/)
    }
    return {
      bench: 'footprint',
      sizes: { modules: 1, samples_per_s: samplesPerS, settle_s: settleMs / 1_000, boots },
      figures: {
        node_rss_mb: bare.rss,
        agent_rss_mb: running.rss,
        over_bare_mb: running.rss - bare.rss,
        peak_over_bare_mb: running.peak - bare.rss,
        // Its own memory, and pages of Node's program that the kernel shares and can drop.
        anon_over_bare_mb: running.anon - bare.anon,
        file_over_bare_mb: running.file - bare.file,
        bundle_kb: bundleBytes / 1024,
        boot_to_tick_ms: median(bootMs),
        journal_bytes_per_sample: perSample,
      },
      peers: { 'bare node': process.versions.node },
    }
  } finally {
    await fleet.stop()
    sensor.close()
  }
}
