import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { freePort, hyphaProgram, RunningProgram } from '../../../examples/demo/processes.ts'
import { ApiClient } from '../../../gateway/admin/cli/client.ts'
import { type Authority, loadAuthority } from '../../../gateway/enrol/ca.ts'
import type { Facts } from './fixture.ts'

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly token?: string | null
  readonly json?: unknown
  readonly cbor?: Uint8Array
  /** The attacker's own address, where a row must not be held back for what another has guessed. */
  readonly from?: string
}

/** The gateway as people run it, in a process of its own. */
export class RealGateway {
  readonly program: RunningProgram
  readonly httpPort: number
  readonly mqttPort: number
  /** As the operator asks. */
  readonly api: ApiClient
  /** The CA, whose key is stolen. */
  readonly authority: Authority
  #addresses = 1

  private constructor(program: RunningProgram, ports: readonly [number, number], folder: string, authority: Authority) {
    this.program = program
    this.httpPort = ports[0]
    this.mqttPort = ports[1]
    this.api = new ApiClient({ kind: 'socket', path: join(folder, 'hypha/gateway/api.sock') })
    this.authority = authority
  }

  static async start(folder: string, { fleet, httpPort, mqttPort }: Facts): Promise<RealGateway> {
    const home = join(folder, 'hypha')
    const ports = [await freePort(), await freePort()] as const
    const file = join(home, 'fleet.toml')
    const text = readFileSync(file, 'utf8').replace(`${httpPort}`, `${ports[0]}`).replace(`${mqttPort}`, `${ports[1]}`)
    writeFileSync(file, text)
    const read = (name: string) => readFileSync(join(home, 'gateway', name), 'utf8')
    const authority = await loadAuthority(fleet, { certificate: read('ca.pem'), key: read('ca.key') })
    const program = new RunningProgram(hyphaProgram, ['gateway', '--no-edge'], { HYPHA_HOME: home })
    await program.line(/ready/)
    return new RealGateway(program, ports, folder, authority)
  }

  /** An address on this machine that nobody has guessed from yet. */
  newAddress(): string {
    this.#addresses++
    return process.platform === 'linux' ? `127.0.7.${this.#addresses}` : '127.0.0.1'
  }

  /** What the HTTP API answers over TLS: null for a success, the code of its error otherwise. */
  refusal(path: string, call: Call = {}): Promise<string | null> {
    const body = call.cbor ?? (call.json === undefined ? null : Buffer.from(JSON.stringify(call.json)))
    const headers: Record<string, string | number> = {}
    if (call.token != null) headers.authorization = `Bearer ${call.token}`
    if (body !== null) {
      headers['content-type'] = call.cbor ? 'application/cbor' : 'application/json'
      headers['content-length'] = body.length
    }
    return new Promise((resolve, reject) => {
      const sent = request({
        host: '127.0.0.1',
        port: this.httpPort,
        path,
        method: call.method ?? (body === null ? 'GET' : 'POST'),
        headers,
        ca: this.authority.certificate,
        localAddress: call.from ?? this.newAddress(),
        agent: false,
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        let text = ''
        response.setEncoding('latin1').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => {
          if ((response.statusCode ?? 500) < 400) resolve(null)
          else resolve((JSON.parse(text) as { code: string }).code)
        })
      })
      sent.end(body ?? undefined)
    })
  }

  async close(): Promise<void> {
    await this.program.end('SIGKILL')
  }
}
