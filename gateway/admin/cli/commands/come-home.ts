import type { Command } from 'commander'
import type { EscalationView } from '../../api/schemas/apps.ts'
import { defineCommand } from '../cli.ts'

export function registerComeHome(program: Command): void {
  defineCommand<[string, string], { of?: string }>(
    program,
    {
      usage: 'come-home <app> <module>',
      summary: 'let a module that has climbed be where it was again',
      description:
        'Let a module that has climbed be on its nodes again at once, as when what drove it away has been mended. See hypha app APP for what has climbed, and why. Where it fails again, it climbs again.',
      options: [['--of <device>', 'only the instance of this device']],
      examples: ['come-home greenhouse frost-alarm', 'come-home greenhouse frost-alarm --of pi-7'],
    },
    async (cli, options, app, module) => {
      const path = `/v1/apps/${encodeURIComponent(app)}/come-home`
      const json = { module, ...(options.of === undefined ? {} : { home: options.of }) }
      const came = await cli.api.request<EscalationView[]>('POST', path, { json })
      cli.print(came, () => came.map(lineOf).join('\n'))
    },
  )
}

const lineOf = ({ module, home, node, now }: EscalationView): string =>
  `${home === null ? module : `${module}@${home}`} may be on ${node} again${now === node ? '' : `; it is on ${now ?? 'no node'}, as hypha why ${module} says`}.`
