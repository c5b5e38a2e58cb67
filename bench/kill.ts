// Nothing lost, nothing twice: gateway and agent killed at random moments and the link between them cut while samples flow. The truth lies outside of both.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { loadIdentity, saveIdentity } from '../agent/home.ts'
import { openStore } from '../gateway/store/store.ts'
import { CutProxy } from '../test/support/cut-proxy.ts'
import { eventually, Fleet } from '../test/support/fleet.ts'
import { NumberSource } from '../test/support/number-source.ts'
import { seeded } from '../test/support/random.ts'
import type { BenchOptions, BenchResult } from './bench.ts'

export interface KillOptions {
  /** Chooses every moment. */
  readonly seed: number
  readonly gatewayKills: number
  readonly agentKills: number
  readonly linkCuts: number
  /** From one kill of a program to its next; it is started again at once, so some kills meet it as it starts. */
  readonly longestLifeMs: number
}

export interface KillResult {
  /** Numbers whose turn was journaled for sure. */
  readonly samples: number
  /** Counted numbers that the database lacks. */
  readonly lost: number
  /** Numbers, counted or not, that it has more than once. */
  readonly doubled: number
  readonly gatewayKills: number
  readonly agentKills: number
  readonly linkCuts: number
  readonly seconds: number
}

const node = 'pi-1'
const app = 'kill'
const drainMs = 120_000

export async function killRun(options: KillOptions): Promise<KillResult> {
  const fleet = await Fleet.start({ name: 'bench' })
  const source = await NumberSource.listen(join(fleet.folder, 'numbers.sock'))
  const proxy = await CutProxy.to(fleet.mqttPort)
  try {
    await fleet.joinNode(node, { nodeFile: `[sensor.number]\ndriver = "socket"\npath = "${source.path}"\n` })
    const home = fleet.agentHome(node)
    saveIdentity(home, { ...loadIdentity(home), brokerPort: proxy.port })
    await fleet.startAgent(node)
    cpSync(join(import.meta.dirname, 'kill-app'), join(fleet.folder, 'app'), { recursive: true })
    await fleet.hypha(['push', join(fleet.folder, 'app')])
    // An agent that dies again and again while it tries a release gives the release up: that is another story.
    await fleet.reached(app, 'confirmed')

    const startedAt = performance.now()
    await Promise.all([
      killing(options.gatewayKills, 1, options, () => fleet.gateway!.end('SIGKILL').then(() => fleet.spawnGateway())),
      killing(options.agentKills, 2, options, () =>
        fleet.agents
          .get(node)!
          .end('SIGKILL')
          .then(() => fleet.spawnAgent(node)),
      ),
      cutting(options, proxy),
    ])
    const seconds = (performance.now() - startedAt) / 1_000
    return { ...(await drain(fleet, source)), ...counts(options), seconds }
  } catch (error) {
    for (const [name, { lines, running, child }] of [['gateway', fleet.gateway!], ...fleet.agents] as const) {
      console.error(`${name} (${running ? 'runs' : `ended with ${child.exitCode ?? child.signalCode}`}):`)
      console.error(lines.slice(-20).join('\n'))
    }
    throw error
  } finally {
    source.close()
    proxy.close()
    await fleet.stop()
  }
}

const counts = ({ gatewayKills, agentKills, linkCuts }: KillOptions) => ({ gatewayKills, agentKills, linkCuts })

async function killing(
  times: number,
  which: number,
  { seed, longestLifeMs }: KillOptions,
  kill: () => Promise<unknown>,
) {
  const random = seeded(seed * 3 + which)
  for (let done = 0; done < times; done++) {
    await delay(random() * longestLifeMs)
    await kill()
  }
}

/** Spread over the time that the kills take, each at a moment when there is something to cut: to wait for that takes as long as the pauses between. */
async function cutting({ seed, linkCuts, agentKills, gatewayKills, longestLifeMs }: KillOptions, proxy: CutProxy) {
  const random = seeded(seed * 3)
  const spanMs = (Math.max(agentKills, gatewayKills) * longestLifeMs) / 2
  for (let done = 0; done < linkCuts; done++) {
    await delay((random() * spanMs) / linkCuts)
    await eventually('a connection to cut', () => proxy.connected || undefined, drainMs)
    proxy.cut()
  }
}

/** No more numbers: what the agent has still to send is stored, and then held against what was counted. */
async function drain(fleet: Fleet, source: NumberSource) {
  source.ended = true
  // As a power switch would: its waits between attempts to connect begin anew.
  await fleet.agents.get(node)!.end('SIGKILL')
  await eventually('the gateway is ready', () => fleet.gateway!.lines.find((line) => /ready/.test(line)))
  await fleet.startAgent(node)
  const seen = { missing: Number.POSITIVE_INFINITY, at: Date.now() }
  await eventually(
    'what was counted is stored, or nothing comes any more',
    () => {
      const missing = compare(fleet, source.counted).lost
      if (missing < seen.missing) Object.assign(seen, { missing, at: Date.now() })
      return missing === 0 || Date.now() - seen.at > 20_000 || undefined
    },
    drainMs,
  )
  await fleet.agents.get(node)!.end()
  await fleet.gateway!.end()
  return compare(fleet, source.counted)
}

/** What was counted against what the database has, read past the gateway. */
export function compare(fleet: Fleet, counted: readonly number[]) {
  const store = openStore(join(fleet.folder, 'hypha/gateway/hypha.db'), { fleet: fleet.name })
  try {
    const rows = store.db
      .prepare<[], { value: number; times: number }>('SELECT value, count(*) AS times FROM samples GROUP BY value')
      .all()
    const stored = new Map(rows.map(({ value, times }) => [value, times]))
    return {
      samples: counted.length,
      lost: counted.filter((number) => !stored.has(number)).length,
      doubled: rows.filter(({ times }) => times > 1).length,
    }
  } finally {
    store.close()
  }
}

const delay = (ms: number) => new Promise((done) => setTimeout(done, ms))

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  // To look into a run again: SEED=… npm run bench -- kill
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const kills = quick ? 12 : 100
  const options: KillOptions = {
    seed,
    gatewayKills: kills,
    agentKills: kills,
    linkCuts: quick ? 8 : 50,
    longestLifeMs: quick ? 4_000 : 5_000,
  }
  const result = await killRun(options)
  return {
    bench: 'kill',
    sizes: { seed, samples_per_s: 500, longest_life_ms: options.longestLifeMs },
    figures: {
      samples: result.samples,
      lost: result.lost,
      doubled: result.doubled,
      gateway_kills: result.gatewayKills,
      agent_kills: result.agentKills,
      link_cuts: result.linkCuts,
      seconds: result.seconds,
    },
    peers: {},
  }
}
