import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from '../../examples/demo/processes.ts'
import { ApiClient } from '../../gateway/admin/cli/client.ts'
import { eventually, type Fleet } from '../support/fleet.ts'

/** A reading that never changes, so that only what a test does changes anything. */
export const steadySensor = '[sensor.load]\ndriver = "sysfs"\npath = "/proc/loadavg"\n'

export const greenhouse = join(project, 'examples/greenhouse')

export interface EventLine {
  id: number
  node: string | null
  app: string | null
  module: string | null
  code: string
  text: string
}

/** Writes an app of AssemblyScript modules into the fleet's folder: what follows `[app]` in its manifest, and a source by module. */
export function writeApp(
  fleet: Fleet,
  name: string,
  tables: string,
  sources: Readonly<Record<string, string>>,
): string {
  const folder = join(fleet.folder, 'apps', name)
  mkdirSync(folder, { recursive: true })
  for (const [module, source] of Object.entries(sources)) {
    mkdirSync(join(folder, module, 'assembly'), { recursive: true })
    writeFileSync(join(folder, module, 'assembly/index.ts'), source)
  }
  writeFileSync(join(folder, 'hypha.toml'), `[app]\nname = "${name}"\n\n${tables}`)
  return folder
}

/** What the gateway answers to a question, without the start of a command: for who asks again and again. */
export const ask = <T>(
  fleet: Fleet,
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
): Promise<T> =>
  new ApiClient({ kind: 'socket', path: join(fleet.folder, 'hypha/gateway/api.sock') }).request<T>('GET', path, {
    query,
  })

/** Waits for an event whose code and text match. */
export function eventOf(fleet: Fleet, app: string | null, code: string, text = /./, node?: string): Promise<EventLine> {
  return eventually(`an event ${code} of ${app}`, async () => {
    const events = await ask<EventLine[]>(fleet, '/v1/events', { app: app ?? undefined, limit: '1000' })
    return events.find(
      (event) => event.code === code && text.test(event.text) && (node === undefined || event.node === node),
    )
  })
}

export interface ValueLine {
  app: string
  module: string
  metric: string
  home: string | null
  node: string
  value: number
  at: number
}

/** Waits for a last value that `accept` takes. */
export function lastValue(
  fleet: Fleet,
  of: { app: string; metric: string; module?: string },
  accept: (value: ValueLine) => boolean = () => true,
): Promise<ValueLine> {
  return eventually(`a value ${of.metric} of ${of.app}`, async () => {
    return (await ask<ValueLine[]>(fleet, '/v1/values', of)).find(accept)
  })
}

/** A program that is none of Hypha's: what it said, and how it ended. */
export class Stranger {
  readonly child: ChildProcess
  out = ''
  err = ''
  readonly ended: Promise<number | null>

  constructor(program: string, args: readonly string[]) {
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.err += text
    })
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject)
      this.child.on('close', resolve)
    })
  }

  /** Lines of its output so far. */
  get lines(): string[] {
    return this.out.split('\n').slice(0, -1)
  }

  /** Waits for a line that matches. */
  line(pattern: RegExp): Promise<string> {
    return eventually(`a line like ${pattern}`, () => this.lines.find((line) => pattern.test(line)))
  }

  /** As `line`, on its standard error. */
  errLine(pattern: RegExp): Promise<string> {
    return eventually(`a line like ${pattern}`, () => this.err.split('\n').find((line) => pattern.test(line)))
  }

  async end(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}
