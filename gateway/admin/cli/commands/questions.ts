import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'
import type { Command } from 'commander'
import type { AppSummary, ReleaseDetail, WhyAnswer } from '../../api/schemas/apps.ts'
import type { WhatIfAnswer, WhatIfRequest } from '../../api/schemas/plan.ts'
import { type Cli, defineCommand } from '../cli.ts'

interface OfInstance {
  app?: string
  of?: string
}

const appOption = ['--app <app>', 'its app; needed only where several have a module of that name'] as const

/** What the solver that places modules answers about a plan: none of these commands changes anything. */
export function registerQuestions(program: Command): void {
  defineCommand<[string], OfInstance>(
    program,
    {
      usage: 'why <module>',
      summary: 'why a module runs where it runs, and nowhere else',
      options: [appOption, ['--of <device>', 'only the instance of this device']],
      examples: ['why sampler', 'why sampler --app greenhouse --of pi-7'],
    },
    async (cli, options, module) => {
      const app = options.app ?? (await findApp(cli, module))
      const answer = await cli.api.request<WhyAnswer>('GET', whyPath(app, module), { query: { home: options.of } })
      cli.print(answer, () => [`${app} ${answer.release}, ${module}:`, ...answer.sentences].join('\n'))
    },
  )
  defineCommand<[string, string], OfInstance>(
    program,
    {
      usage: 'why-not <module> <node>',
      summary: "why a module doesn't run on a node",
      description:
        "Say what keeps a node from holding a module, with the numbers; or, where it could hold it, what the module's links would cost there. Of a module that each device has, it is the node's own instance where the node is such a device, else that of the first device.",
      options: [appOption, ['--of <device>', 'the instance of this device']],
      examples: ['why-not advisor pi-7', 'why-not smooth gw-edge --of pi-7', 'why-not report gw-edge --json'],
    },
    async (cli, options, module, node) => {
      const app = options.app ?? (await findApp(cli, module))
      const path = `${whyPath(app, module)}/not/${encodeURIComponent(node)}`
      const answer = await cli.api.request<WhyAnswer>('GET', path, { query: { home: options.of } })
      cli.print(answer, () => [`${app} ${answer.release}, ${module} on ${node}:`, ...answer.sentences].join('\n'))
    },
  )
  defineCommand<[], WhatIfOptions>(
    program,
    {
      usage: 'what-if',
      summary: "where an app would run on a fleet as it isn't",
      description:
        'Place the release that an app runs on the fleet with a change, and show what would move, and why. Several changes may be given, and each more than once. Nothing is changed.',
      options: [
        ['--app <app>', 'the app; needed only where several run'],
        ['--without <node>', 'the fleet has no such node', undefined, 'repeatable'],
        ['--add-interface <node=interface>', 'the node provides a host interface, too', undefined, 'repeatable'],
        ['--memory <node=size>', 'the node has so much memory for modules', undefined, 'repeatable'],
      ],
      examples: [
        'what-if --without gw-edge',
        'what-if --add-interface gw-edge=http --app greenhouse',
        'what-if --memory pi-7=64KiB --memory pi-8=64KiB --json',
      ],
    },
    async (cli, options) => {
      const json = requestOf(options)
      const app = options.app ?? (await onlyApp(cli))
      const path = `/v1/apps/${encodeURIComponent(app)}/what-if`
      const [answer, { describeChanges }] = await Promise.all([
        cli.api.request<WhatIfAnswer>('POST', path, { json }),
        import('../plan-changes.ts'),
      ])
      cli.print(answer, () => describeChanges(answer))
    },
  )
}

const whyPath = (app: string, module: string): string =>
  `/v1/apps/${encodeURIComponent(app)}/why/${encodeURIComponent(module)}`

interface WhatIfOptions {
  app?: string
  without?: string[]
  addInterface?: string[]
  memory?: string[]
}

function requestOf({ without = [], addInterface = [], memory = [] }: WhatIfOptions): WhatIfRequest {
  if (without.length + addInterface.length + memory.length === 0) {
    throw new HyphaError('argument-invalid', 'Nothing is said of how the fleet would be', {
      mend: 'Give --without, --add-interface or --memory.',
    })
  }
  return {
    without,
    interfaces: addInterface.map((given) => {
      const [node, name] = pair('--add-interface', given, 'gw-edge=http')
      return { node, interface: name }
    }),
    memory: memory.map((given) => {
      const [node, size] = pair('--memory', given, 'pi-7=64KiB')
      return { node, bytes: bytesOf(size) }
    }),
  }
}

function pair(option: string, given: string, example: string): [string, string] {
  const [node = '', value = ''] = given.split(/=(.*)/s)
  if (node !== '' && value !== '') return [node, value]
  throw new HyphaError('argument-invalid', `${option}: "${given}" names no node and value`, {
    mend: `Write it as ${example}.`,
  })
}

const units: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }

function bytesOf(size: string): number {
  const parsed = /^(\d{1,12})(|B|KiB|MiB|GiB)$/.exec(size)
  if (parsed !== null) return Number(parsed[1]) * units[parsed[2]!]!
  throw new HyphaError('argument-invalid', `--memory: "${size}" is no size`, {
    mend: 'Write a number of bytes, or one with KiB, MiB or GiB.',
  })
}

async function onlyApp(cli: Cli): Promise<string> {
  const apps = await cli.api.request<AppSummary[]>('GET', '/v1/apps')
  const names = apps.filter(({ release }) => release !== null).map(({ name }) => name)
  if (names.length === 1) return names[0]!
  const text = names.length === 0 ? 'No app runs' : `Several apps run: ${names.join(', ')}`
  throw new HyphaError('argument-invalid', text, { mend: 'Name one with --app.' })
}

async function findApp(cli: Cli, module: string): Promise<string> {
  const apps = await cli.api.request<AppSummary[]>('GET', '/v1/apps')
  const found = await Promise.all(
    apps.map(async ({ name, release }) => {
      if (release === null) return []
      const path = `/v1/apps/${encodeURIComponent(name)}/releases/${release}`
      const { modules } = await cli.api.request<ReleaseDetail>('GET', path)
      return modules.map((each) => ({ app: name, module: each.name }))
    }),
  )
  const modules = found.flat()
  const names = modules.filter((each) => each.module === module).map(({ app }) => app)
  if (names.length === 1) return names[0]!
  throw names.length === 0
    ? noModule(
        module,
        modules.map((each) => each.module),
      )
    : new HyphaError('argument-invalid', `${names.join(' and ')} each have a module ${module}`, {
        mend: `Say which: hypha why ${module} --app ${names[0]}.`,
      })
}

function noModule(module: string, known: readonly string[]): HyphaError {
  const meant = nearest(module, known)
  return new HyphaError('not-found', `No app runs a module ${module}`, {
    mend: `${meant === null ? '' : `Did you mean ${meant}? `}See hypha apps, and hypha app APP.`,
  })
}
