import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StoredFile } from './files.ts'
import type { Runtime } from './runtimes.ts'

/** What one installer is made for. */
export interface ScriptParts {
  /** The gateway's HTTPS server as devices reach it: `https://HOST:PORT`. */
  readonly gateway: string
  readonly agent: StoredFile
  readonly runtimes: readonly Runtime[]
}

const launcherFile = join(import.meta.dirname, '../../agent/launcher/hypha-agent-start.sh')

/** The installer: install.sh with what it pins, the launcher and the unit. Only digests, numbers and the gateway's own address get in. */
export function makeScript({ gateway, agent, runtimes }: ScriptParts): string {
  const pins = runtimes.map(
    ({ arch, file, node }) => `${arch}:${file.digest}:${file.bytes}:${node.digest}:${node.bytes}`,
  )
  const values: Readonly<Record<string, string>> = {
    GATEWAY: gateway,
    RUNTIMES: pins.join(' '),
    AGENT: agent.digest,
    AGENT_BYTES: `${agent.bytes}`,
    LAUNCHER: readFileSync(launcherFile, 'utf8').trimEnd(),
    UNIT: readFileSync(join(import.meta.dirname, 'hypha-agent.service'), 'utf8').trimEnd(),
  }
  const template = readFileSync(join(import.meta.dirname, 'install.sh'), 'utf8')
  return template.replace(/@([A-Z_]+)@/g, (whole, name: string) => values[name] ?? whole)
}

/** `https://HOST:PORT`, an IPv6 address in brackets. */
export const gatewayUrl = (host: string, port: number): string =>
  `https://${host.includes(':') ? `[${host}]` : host}:${port}`

/** The script has some 30,000. Whoever answers could send without an end. */
const maxScriptBytes = 1_000_000

/**
 * The line that installs on a device. It names the installer's SHA-256, so it doesn't matter who answers or what certificate he shows; the installer is checked
 * and run in a folder that nobody else can write.
 */
export const installLine = (gateway: string, script: string, url: string): string =>
  `(h=${script}; d=$(mktemp -d) && cd "$d" && curl -fsSk ${gateway}/install/$h.sh -m 300 | head -c ${maxScriptBytes} >hypha.sh && echo "$h  hypha.sh" | sha256sum -c - && $(command -v sudo) sh hypha.sh '${url}')`
