import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { NodeDetail, NodeRevoked, NodeSummary } from '../../api/schemas/nodes.ts'
import { defineCommand } from '../cli.ts'
import { formatBytes, listing, relativeTime, table } from '../table.ts'

export function registerNodes(program: Command): void {
  defineCommand(
    program,
    { usage: 'nodes', summary: 'list the nodes of the fleet', examples: ['nodes', 'nodes --json'] },
    async (cli) => {
      const nodes = await cli.api.request<NodeSummary[]>('GET', '/v1/nodes')
      cli.print(nodes, () =>
        nodes.length === 0
          ? 'No node has joined yet. Invite one: hypha invite NAME --tier device'
          : table<NodeSummary>(
              [
                { heading: 'NODE', text: (node) => node.id, whole: true },
                { heading: 'TIER', text: ({ tier, parent }) => (parent === null ? tier : `${tier} at ${parent}`) },
                {
                  heading: 'STATE',
                  text: (node) => standing(node) ?? (node.online ? 'online' : 'offline'),
                },
                { heading: 'SEEN', text: (node) => (node.online ? 'now' : relativeTime(node.seenAt)) },
                {
                  heading: 'DIRECTIVE',
                  text: ({ directive }) =>
                    directive.held === directive.wanted ? `${directive.held}` : `${directive.held}→${directive.wanted}`,
                  right: true,
                },
                { heading: 'APPS', text: (node) => node.apps.join(' ') },
                { heading: 'LABELS', text: (node) => node.labels.join(' ') },
              ],
              nodes,
            ),
      )
    },
  )

  const node = program
    .command('node')
    .summary('show, label, change, remove and revoke one node')
    .description('One node: show, label, change, remove, revoke.')
  defineCommand<[string], object>(
    node,
    {
      usage: 'show <node>',
      summary: 'all that is known of a node',
      isDefault: true,
      examples: ['node pi-7', 'node show pi-7 --json'],
    },
    async (cli, _options, path) => {
      const { parent, id } = nodePath(path)
      const detail = await cli.api.request<NodeDetail>('GET', `/v1/nodes/${encodeURIComponent(id)}`)
      if (parent !== null && detail.parent !== parent) throw elsewhere(parent, detail)
      cli.print(detail, () => describeNode(detail))
    },
  )
  defineCommand<[string], object>(
    program,
    {
      usage: 'accept <node/board>',
      summary: 'accept a microcontroller that waits at a serial port of a node; prints its key, to be compared',
      examples: ['accept pi-7/mcu-1'],
    },
    async (cli, _options, path) => {
      const { parent, id } = nodePath(path)
      if (parent === null) {
        throw new HyphaError('argument-invalid', `"${path}" doesn't say at which node the board is`, {
          mend: 'Name both: hypha accept NODE/BOARD. hypha node NODE lists its boards.',
        })
      }
      const at = `/v1/nodes/${encodeURIComponent(parent)}`
      const { boards } = await cli.api.request<NodeDetail>('GET', at)
      const detail = await cli.api.request<NodeDetail>('POST', `${at}/boards/${encodeURIComponent(id)}/accept`)
      const key = boards.find((board) => board.id === id)?.key ?? ''
      cli.print({ ...detail, key }, () => `${id} at ${parent} is a node of the fleet now. Its key: ${grouped(key)}`)
    },
  )
  defineCommand<[string], { force?: boolean }>(
    node,
    {
      usage: 'rm <node>',
      summary: 'remove a node: it deletes what it holds, and the gateway forgets it',
      options: [['--force', 'forget it at once, also if it is away for good']],
      examples: ['node rm pi-7', 'node rm pi-7 --force'],
    },
    async (cli, options, id) => {
      const path = `/v1/nodes/${encodeURIComponent(id)}`
      const { revoked, clonedAt } = await cli.api.request<NodeDetail>('GET', path)
      await cli.api.request('DELETE', path, { query: { force: options.force } })
      cli.print({ removed: id }, () =>
        options.force || revoked !== null || clonedAt !== null
          ? `${id} is forgotten.`
          : `${id} is told to leave, and forgotten once it has.`,
      )
    },
  )
  defineCommand<[string], { reason?: string }>(
    node,
    {
      usage: 'revoke <node>',
      summary: 'let a lost or stolen node in no more, at once; its record and its history stay',
      options: [['--reason <text>', 'why, for the audit log and for who looks at the node']],
      examples: ['node revoke pi-7 --reason "stolen from greenhouse 2"'],
    },
    async (cli, options, id) => {
      const json = options.reason === undefined ? {} : { reason: options.reason }
      const made = await cli.api.request<NodeRevoked>('POST', `/v1/nodes/${encodeURIComponent(id)}/revoke`, { json })
      cli.print(made, () => {
        const { secrets } = made
        const lines = [`${id} is revoked: whoever has it is let in no more, and isn't told.`]
        if (secrets.length > 0) {
          lines.push('', 'It could read these secrets. Change them where they open something, then set them anew:', '')
          for (const { app, key } of secrets) lines.push(`  hypha config set ${app} ${key} --secret < FILE`)
        }
        lines.push('', `Another device under its name, with its history: hypha invite ${id} --replace`)
        lines.push(`Forget it, with its history:                      hypha node rm ${id}`)
        return lines.join('\n')
      })
    },
  )
  defineCommand<[string, string[]] & string[], { remove?: string[] }>(
    node,
    {
      usage: 'label <node> [labels...]',
      summary: 'add labels to a node, or remove them',
      options: [['--remove <label...>', 'labels to remove']],
      examples: ['node label pi-7 floor=2 south', 'node label pi-7 --remove south'],
    },
    async (cli, options, id, labels) => {
      const change = { addLabels: labels as unknown as string[], removeLabels: options.remove ?? [] }
      const detail = await cli.api.request<NodeDetail>('PATCH', `/v1/nodes/${encodeURIComponent(id)}`, { json: change })
      cli.print(detail, () => `${id}: ${detail.labels.join(' ') || 'no labels'}`)
    },
  )
  defineCommand<[string], { zone?: string }>(
    node,
    {
      usage: 'set <node>',
      summary: "change a node's zone",
      options: [['--zone <zone>', 'nodes of one zone are near each other; "" for none']],
      examples: ['node set pi-7 --zone greenhouse-2'],
    },
    async (cli, options, id) => {
      const json = options.zone === undefined ? {} : { zone: options.zone === '' ? null : options.zone }
      const detail = await cli.api.request<NodeDetail>('PATCH', `/v1/nodes/${encodeURIComponent(id)}`, { json })
      cli.print(detail, () => `${id}: zone ${detail.zone ?? 'none'}`)
    },
  )
}

/** `pi-7/mcu-1` names a board by way of its node. */
function nodePath(path: string): { parent: string | null; id: string } {
  const slash = path.indexOf('/')
  return slash < 0 ? { parent: null, id: path } : { parent: path.slice(0, slash), id: path.slice(slash + 1) }
}

const elsewhere = (parent: string, { id, parent: at }: NodeDetail) =>
  new HyphaError('not-found', `${id} is ${at === null ? 'no board' : `at ${at}`}, not at ${parent}`, { where: id })

/** A key as people compare it. */
const grouped = (hex: string): string => hex.match(/.{1,8}/g)?.join(' ') ?? ''

/** Why a node isn't one that is just there or away; null where it is. */
const standing = ({ revoked, clonedAt, removedAt }: NodeSummary): string | null => {
  if (revoked !== null) return 'revoked'
  if (clonedAt !== null) return 'cloned'
  return removedAt === null ? null : 'leaving'
}

function describeVital({ name, value, bound, badSince }: NodeDetail['vitals'][number]): string {
  const amount = (of: number) => (name === 'free-memory' ? formatBytes(of) : `${Math.round(of)} %`)
  const beyond = `${name === 'cpu' ? 'above' : 'below'} ${amount(bound)}`
  return `${amount(value)}${badSince === null ? '' : `, ${beyond}: noticed ${relativeTime(badSince)}`}`
}

function describeNode(node: NodeDetail): string {
  const { inventory } = node
  const lines: [string, string][] = [
    ['node', node.id],
    ['tier', node.tier],
    ['state', standing(node) ?? (node.online ? 'online' : `offline, seen ${relativeTime(node.seenAt)}`)],
    ['zone', node.zone ?? 'none'],
    ['labels', [...node.labels, ...(inventory?.labels ?? [])].join(' ') || 'none'],
    ['directive', `${node.directive.held} held, ${node.directive.wanted} sent`],
    node.parent === null
      ? ['certificate', `expires ${relativeTime(node.certificate.expiresAt)}`]
      : ['attached to', `${node.parent}, through which it is reached`],
  ]
  if (inventory !== null) {
    lines.push(
      ['agent', `${inventory.agentVersion} on ${inventory.os} ${inventory.arch}`],
      ['memory', `${formatBytes(node.memoryUsedBytes)} of ${formatBytes(inventory.memoryBytes)} set aside for modules`],
      ['interfaces', inventory.interfaces.join(' ')],
      ['sensors', inventory.sensors.join(' ') || 'none'],
      ['actuators', inventory.actuators.join(' ') || 'none'],
    )
  }
  for (const vital of node.vitals) lines.push([vital.name, describeVital(vital)])
  if (node.revoked !== null) {
    const why = node.revoked.reason === null ? '' : `: ${node.revoked.reason}`
    lines.push(['revoked', `${relativeTime(node.revoked.at)}${why}`])
  }
  if (node.clonedAt !== null) {
    lines.push([
      'cloned',
      `two machines have its keys, noticed ${relativeTime(node.clonedAt)}; neither is let in.\nhypha invite ${node.id} --replace, then hypha-agent join URL --again on the genuine one`,
    ])
  }
  const { waiting, failed } = node.inputs
  if (failed > 0) lines.push(['inputs', `${waiting} wait, ${failed} were given up: hypha events --node ${node.id}`])
  if (node.refused !== null) lines.push(['refused', `${node.refused.message} [${node.refused.code}]`])
  for (const board of node.boards) {
    const away = board.connected ? '' : ', away'
    const standing = {
      accepted: '',
      pending: `\nwaits to be accepted: hypha accept ${node.id}/${board.id}; its key: ${grouped(board.key)}`,
      'another-key': `\nrefused: a board ${board.id} with another key belongs to the fleet; this one's: ${grouped(board.key)}`,
      'name-taken': `\nrefused: there is a node ${board.id}`,
    }[board.standing]
    lines.push([
      'board',
      `${board.id}${away}: ${board.hardware}, firmware ${board.firmware}, ${board.memoryBytes} bytes for a module of at most ${board.slotBytes}${standing}`,
    ])
  }
  // Also where nothing of the app runs, and so no line below tells of it.
  for (const { app, status, message, code } of node.sections) {
    if (code !== null) lines.push([status, `${app}: ${message ?? 'no reason given'} [${code}]`])
  }
  const instances = node.sections.flatMap((section) => section.instances.map((instance) => ({ ...instance, section })))
  const running =
    instances.length === 0
      ? 'It runs nothing.'
      : table<(typeof instances)[number]>(
          [
            { heading: 'APP', text: ({ section }) => section.app },
            { heading: 'RELEASE', text: ({ section }) => `${section.running?.number ?? '-'} ${section.status}` },
            { heading: 'MODULE', text: ({ module }) => module },
            { heading: 'HOME', text: ({ home }) => home ?? '-' },
            { heading: 'STATUS', text: ({ status }) => status },
            { heading: 'TURNS', text: ({ turns }) => `${turns}`, right: true },
            { heading: 'RESTARTS', text: ({ restarts }) => `${restarts}`, right: true },
            { heading: 'ERROR', text: ({ error, section }) => error ?? section.message ?? '' },
          ],
          instances,
        )
  return `${listing(lines)}\n\n${running}`
}
