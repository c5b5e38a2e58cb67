import type { Command } from 'commander'
import { type ChainedEntry, type ChainHead, ChainWalk, formatHead, parseHead } from '../../../audit-chain.ts'
import type { Status } from '../../api/schemas/access.ts'
import type { AuditEntry, AuditLink } from '../../api/schemas/data.ts'
import { type Cli, defineCommand, wholeNumber } from '../cli.ts'
import { table, timestamp } from '../table.ts'

const batch = 1_000

const databaseOption = ['--database <file>', 'read this database file, a backup for instance, and no gateway'] as const

interface Source {
  database?: string
}

export function registerAudit(program: Command): void {
  const audit = program
    .command('audit')
    .summary('who changed what, and the proof of it')
    .description('Who changed what or was refused, the newest first. verify and head prove that the log is whole.')
  defineCommand<[], { before?: string; limit: string }>(
    audit,
    {
      usage: 'list',
      summary: 'who changed what, the newest first',
      isDefault: true,
      options: [
        ['--limit <count>', 'how many', '50'],
        ['--before <id>', 'only entries older than the one with this id'],
      ],
      examples: ['audit', 'audit --limit 500 --json'],
    },
    list,
  )
  defineCommand<[], Source & { head?: string }>(
    audit,
    {
      usage: 'verify',
      summary: 'check every entry against the chain of hashes',
      description:
        'Check every entry against the chain of hashes. Whoever can write the whole database can also make a new chain: only a head that was kept elsewhere proves that nobody did, and that nothing was cut off at the end.',
      options: [['--head <number:hash>', 'the chain must go through this head of before'], databaseOption],
      examples: ['audit verify', 'audit verify --head 1204:9f86d081…', 'audit verify --database backup.db'],
    },
    async (cli, { head: kept, database }) => {
      const known = kept === undefined ? null : parseHead(kept)
      const head = await walk(cli, database, known)
      cli.print({ entries: head.number, head: formatHead(head), proven: known?.number ?? null }, () =>
        known === null
          ? `The chain of all ${head.number} entries holds.\nHead: ${formatHead(head)}\nKeep it elsewhere: with --head it proves later that nothing up to here was written anew.`
          : `The chain of all ${head.number} entries holds, and the first ${known.number} are those of the head that was kept.\nHead: ${formatHead(head)}`,
      )
    },
  )
  defineCommand<[], Source>(
    audit,
    {
      usage: 'head',
      summary: 'number and hash of the last entry, to be kept elsewhere',
      options: [databaseOption],
      examples: ['audit head', 'audit head >> /mnt/usb/hypha-audit-heads'],
    },
    async (cli, { database }) => {
      const head = await walk(cli, database, null)
      cli.print({ ...head, head: formatHead(head) }, () => formatHead(head))
    },
  )
}

async function list(cli: Cli, options: { before?: string; limit: string }): Promise<void> {
  const before = options.before === undefined ? undefined : wholeNumber(options.before, '--before', 1, 2 ** 53 - 1)
  const query = { limit: wholeNumber(options.limit, '--limit', 1, 1_000), before }
  const entries = await cli.api.request<AuditEntry[]>('GET', '/v1/audit', { query })
  cli.print(entries, () =>
    entries.length === 0
      ? 'Nothing was changed yet.'
      : table<AuditEntry>(
          [
            { heading: 'ID', text: ({ id }) => `${id}`, right: true },
            { heading: 'WHEN', text: ({ at }) => timestamp(at), whole: true },
            { heading: 'WHO', text: ({ actor }) => actor },
            { heading: 'WHAT', text: ({ action }) => action },
            { heading: 'ON', text: ({ subject }) => subject },
            { heading: 'DETAILS', text: ({ details }) => (details === null ? '' : JSON.stringify(details)) },
          ],
          entries,
        ),
  )
}

/** Hashes every entry here: the gateway gives the entries, not the verdict. */
async function walk(cli: Cli, database: string | undefined, known: ChainHead | null): Promise<ChainHead> {
  if (database !== undefined) {
    const { readAuditChain } = await import('../../../store/audit-file.ts')
    const { fleet, entries } = readAuditChain(database)
    const chain = new ChainWalk(fleet, known)
    for (const entry of entries) chain.add(entry)
    return chain.end()
  }
  const { fleet } = await cli.api.request<Status>('GET', '/v1/status')
  const chain = new ChainWalk(fleet, known)
  for (;;) {
    const query = { after: chain.head.number, limit: batch }
    const entries: ChainedEntry[] = await cli.api.request<AuditLink[]>('GET', '/v1/audit/chain', { query })
    for (const entry of entries) chain.add(entry)
    if (entries.length === 0) return chain.end()
  }
}
