import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { type TunnelTarget, tunnelTargets } from '@hypha/core/wire/messages/uplink.ts'
import { type ChildAgent, hasJoined, joinChildAgent, startChildAgent } from '../child-agent.ts'
import { splice } from './splice.ts'

export interface SiteAgentsPorts {
  /** Holds a folder for each site. */
  readonly folder: string
  readonly json: boolean
  readonly log: Log
  /** A stream to a listener of the site. Throws `uplink-offline`. */
  openStream(site: string, target: TunnelTarget): Promise<Duplex>
  /** Its agent has no keys (any more): the site is asked to invite it. */
  wanted(site: string): void
  onProblem(error: HyphaError): void
}

interface Place {
  readonly servers: readonly Server[]
  agent: ChildAgent | null
  joining: boolean
}

const mib = 1_048_576
/** After a join that failed, until the site is asked for another invitation. */
const retryMs = 60_000

const nodeFile = (
  memoryBytes: number,
) => `# The node that runs here for a site. What it provides beside this, this machine's owner writes here.
memory = "${Math.max(1, Math.floor(memoryBytes / mib))}MiB"

[sql]
`

/**
 * The cloud tier of each site: an agent in a process and a folder of its own, which belongs to the site's fleet and obeys nobody else. It reaches the site's gateway through two sockets of
 * this folder, whose streams go through the uplink. [P 14.4]
 */
export class SiteAgents {
  readonly #ports: SiteAgentsPorts
  readonly #places = new Map<string, Place>()

  constructor(ports: SiteAgentsPorts) {
    this.#ports = ports
  }

  #home = (site: string) => join(this.#ports.folder, site, 'agent')

  wantsInvite(site: string): boolean {
    const place = this.#places.get(site)
    return place !== undefined && !place.joining && !hasJoined(this.#home(site))
  }

  runs(site: string): boolean {
    return (this.#places.get(site)?.agent ?? null) !== null
  }

  /** Makes a site's place, and starts its agent where that has joined. */
  open(site: string, memoryBytes: number): void {
    if (this.#places.has(site)) return
    const home = this.#home(site)
    mkdirSync(home, { recursive: true, mode: 0o700 })
    try {
      writeFileSync(join(home, 'agent.toml'), nodeFile(memoryBytes), { flag: 'wx' })
    } catch (error) {
      // Its owner's words count.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const servers = tunnelTargets.map((target) => this.#listen(site, target))
    this.#places.set(site, { servers, agent: null, joining: false })
    this.#start(site)
  }

  #listen(site: string, target: TunnelTarget): Server {
    const path = join(this.#ports.folder, site, `${target}.sock`)
    rmSync(path, { force: true })
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: false }, (near) => {
      near.on('error', () => near.destroy())
      this.#ports.openStream(site, target).then(
        (far) => splice(near, far),
        // The agent tries again by itself, and the site's state says that it is cut off.
        () => near.destroy(),
      )
    })
    server.on('error', (error) => this.#ports.onProblem(asHyphaError(error)))
    // Its folder has mode 0700: nobody else gets there.
    return server.listen(path)
  }

  #start(site: string): void {
    const place = this.#places.get(site)
    if (!place || place.agent !== null || !hasJoined(this.#home(site))) return
    place.agent = startChildAgent({
      ...this.#child(site),
      json: this.#ports.json,
      log: this.#ports.log,
      home: this.#home(site),
      onLeft: () => {
        place.agent = null
        this.#ports.wanted(site)
      },
    })
  }

  #child = (site: string) => ({
    name: `agent of the site ${site}`,
    // Nothing of this gateway's own environment: the modules that run there are another fleet's.
    env: { PATH: process.env.PATH, TZ: process.env.TZ, HYPHA_THROUGH: join(this.#ports.folder, site) },
  })

  /** Joins the site's fleet by a URL that came from there. */
  async join(site: string, url: string): Promise<void> {
    const place = this.#places.get(site)
    if (!place || !this.wantsInvite(site)) return
    place.joining = true
    try {
      parseJoinUrl(url)
      await joinChildAgent(this.#home(site), url, this.#child(site))
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
      setTimeout(() => this.wantsInvite(site) && this.#ports.wanted(site), retryMs).unref()
    } finally {
      place.joining = false
    }
    if (this.#places.get(site) === place) this.#start(site)
  }

  /** Ends the agent. Its folder stays. */
  async stop(site: string): Promise<void> {
    const place = this.#places.get(site)
    if (!place) return
    this.#places.delete(site)
    for (const server of place.servers) server.close()
    await place.agent?.stop()
  }

  /** Ends the agent and deletes all that it held. */
  async remove(site: string): Promise<void> {
    await this.stop(site)
    rmSync(join(this.#ports.folder, site), { recursive: true, force: true })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#places.keys()].map((site) => this.stop(site)))
  }
}
