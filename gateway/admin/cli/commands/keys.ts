import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import type { Command } from 'commander'
import { type KeyRole, keyRoles } from '../../../keys/key-box.ts'
import type { KeyInfo } from '../../../keys/key-file.ts'
import { holds, idOf } from '../../../keys/root-draft.ts'
import { type Cli, defineCommand, parseDuration } from '../cli.ts'
import { listing, relativeTime } from '../table.ts'
import { registerKeyChanges } from './key-changes.ts'

interface KeyOptions {
  key?: string
}

const which = ['--key <file>', "the key file (default: keys/release.key in the fleet's folder)"] as const
const pathOf = (cli: Cli, { key }: KeyOptions): string => key ?? join(cli.home.keys, 'release.key')

export function registerKeys(program: Command): void {
  const key = program
    .command('key')
    .summary('the keys that sign: make, show, replace, add, revoke, unlock, lock')
    .description('The keys that sign, on this machine, and what root metadata says of them.')
  registerKeyChanges(key)
  defineCommand<[], KeyOptions>(
    key,
    {
      usage: 'show',
      summary: 'what the key files are, and whether root metadata names them',
      options: [['--key <file>', "a key file (default: all in the fleet's folder)"]],
      examples: ['key show', 'key show --key release.key'],
    },
    async (cli, options) => {
      const { readKeyInfo } = await import('../../../keys/key-file.ts')
      const { keyFilesIn } = await import('../../../keys/key-folder.ts')
      const { currentRootOrNull } = await import('../root-change.ts')
      const { keys: files, problems } =
        options.key === undefined ? keyFilesIn(cli.home.keys) : { keys: [readKeyInfo(options.key)], problems: [] }
      const root = (await currentRootOrNull(cli))?.root ?? null
      const keys = viewsOf(files, root, options.key === undefined)
      for (const { message, code } of problems) cli.note(`${message} [${code}]`)
      cli.print(keys, () =>
        keys.length === 0
          ? `There are no keys in ${cli.home.keys}. Make a fleet with hypha init NAME.`
          : keys.map(describeKey).join('\n\n'),
      )
    },
  )
  defineCommand<[], KeyOptions & { for: string }>(
    key,
    {
      usage: 'unlock',
      summary: 'keep a key open for a while, so that not every push asks for the passphrase',
      description:
        'Keep a key open for a while, in memory and for this user alone, so that not every push asks for the passphrase.',
      options: [which, ['--for <duration>', 'how long, at most 24h', '8h']],
      examples: ['key unlock', 'key unlock --for 30min'],
    },
    async (cli, options) => {
      const path = pathOf(cli, options)
      const ttlMs = parseDuration(options.for, '--for')
      const { keySession } = await import('../keys.ts')
      const { askPassphrase } = await import('../prompt.ts')
      const passphrase = await askPassphrase(`Passphrase for ${path}: `)
      if (passphrase === null) {
        throw new HyphaError('passphrase-needed', 'There is no terminal to ask for the passphrase', {
          mend: 'Set HYPHA_PASSPHRASE, or run the command in a terminal.',
        })
      }
      const { expiresMs } = await keySession().unlockFor(path, passphrase, ttlMs)
      cli.print(
        { key: path, expiresAt: expiresMs },
        () => `${path} is open; it locks itself ${relativeTime(expiresMs)}.`,
      )
    },
  )
  defineCommand<[], KeyOptions & { all?: boolean }>(
    key,
    {
      usage: 'lock',
      summary: 'lock a key again',
      options: [which, ['--all', 'all keys that this user has open']],
      examples: ['key lock', 'key lock --all'],
    },
    async (cli, options) => {
      const { keySession } = await import('../keys.ts')
      const path = pathOf(cli, options)
      if (options.all) keySession().lockAll()
      const wasOpen = options.all ? true : keySession().lock(path)
      cli.print({ locked: options.all ? 'all' : path, wasOpen }, () =>
        options.all ? 'All keys are locked.' : wasOpen ? `${path} is locked.` : `${path} was locked already.`,
      )
    },
  )
}

interface KeyView {
  readonly role: KeyRole
  readonly fleet: string
  /** Null where another machine, or nobody, has it. */
  readonly path: string | null
  readonly id: string
  readonly publicKey: string
  readonly locked: boolean | null
  /** Whether root metadata names it; null where none is known here. */
  readonly named: boolean | null
}

function viewsOf(files: readonly KeyInfo[], root: RootMetadata | null, all: boolean): KeyView[] {
  const here = files.map(({ role, fleet, path, publicKey, locked }): KeyView => {
    const named = root === null || root.fleet !== fleet ? null : holds(root[role], publicKey)
    return { role, fleet, path, id: idOf(publicKey), publicKey: toHex(publicKey), locked, named }
  })
  if (root === null || !all) return here
  const elsewhere = keyRoles.flatMap((role) =>
    root[role].keys
      .map((key): KeyView => {
        return { role, fleet: root.fleet, path: null, id: idOf(key), publicKey: toHex(key), locked: null, named: true }
      })
      .filter(({ publicKey }) => !here.some((each) => each.role === role && each.publicKey === publicKey)),
  )
  return [...here, ...elsewhere]
}

function describeKey({ role, fleet, path, id, publicKey, locked, named }: KeyView): string {
  const protection = locked ? 'a passphrase' : 'none: whoever reads the file has the key'
  return listing([
    ['key', `${role} of ${fleet}`],
    ['file', path ?? 'not here'],
    ['key id', id],
    ['public key', publicKey],
    ...(locked === null ? [] : [['protection', protection] as const]),
    [
      'counts',
      named === null ? 'unknown: there is no root metadata here' : named ? 'yes' : 'no: root metadata does not name it',
    ],
  ])
}
