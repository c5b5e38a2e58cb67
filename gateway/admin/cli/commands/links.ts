import { setTimeout } from 'node:timers/promises'
import type { Command } from 'commander'
import type { LinkView } from '../../api/schemas/links.ts'
import { defineCommand } from '../cli.ts'
import { untilInterrupted } from '../follow.ts'
import { formatBytes, formatNumber, table } from '../table.ts'

/** Nodes tell as often. */
const everyMs = 2_000

export function registerLinks(program: Command): void {
  defineCommand<[], { follow?: boolean; app?: string }>(
    program,
    {
      usage: 'links',
      summary: 'calls between modules of other cells and nodes',
      description:
        'Show the links that are in use: calls, bytes, times and failures. Calls within a cell cost next to nothing and are not counted.',
      options: [
        ['-f, --follow', 'show them again every two seconds, until Ctrl-C'],
        ['--app <app>', 'only of this app'],
      ],
      examples: ['links', 'links -f --app greenhouse'],
    },
    async (cli, { follow, app }) => {
      const show = async (): Promise<void> => {
        const links = await cli.api.request<LinkView[]>('GET', '/v1/links', { query: { app } })
        cli.print(links, () => linkTable(links))
      }
      await show()
      if (!follow) return
      await untilInterrupted(async (signal) => {
        for (;;) {
          await setTimeout(everyMs, undefined, { signal })
          await show()
        }
      })
    },
  )
}

const named = (module: string, home: string | null): string => (home === null ? module : `${module}@${home}`)
const milliseconds = (ms: number | null): string => (ms === null ? '-' : `${formatNumber(ms)} ms`)

const linkTable = (links: readonly LinkView[]): string =>
  links.length === 0
    ? 'No link between cells or nodes is in use.'
    : table<LinkView>(
        [
          { heading: 'APP', text: ({ app }) => app },
          { heading: 'FROM', text: ({ module, home }) => named(module, home) },
          { heading: 'ON', text: ({ node }) => node },
          { heading: 'TO', text: ({ callee, calleeHome }) => named(callee, calleeHome) },
          { heading: 'ON', text: ({ calleeNode, node }) => (calleeNode === node ? 'the same node' : calleeNode) },
          { heading: 'CALLS', text: ({ calls }) => `${calls}`, right: true },
          { heading: 'PER S', text: ({ callsPerS }) => formatNumber(Number(callsPerS.toPrecision(3))), right: true },
          { heading: 'BYTES', text: ({ bytesOut, bytesIn }) => formatBytes(bytesOut + bytesIn), right: true },
          { heading: 'P50', text: ({ p50Ms }) => milliseconds(p50Ms), right: true },
          { heading: 'P99', text: ({ p99Ms }) => milliseconds(p99Ms), right: true },
          { heading: 'FAILED', text: failedText },
        ],
        links,
      )

function failedText({ failures }: LinkView): string {
  const all = Object.entries(failures)
  return all.length === 0 ? '-' : all.map(([code, count]) => `${count} ${code}`).join(', ')
}
