import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import { type Cli, defineCommand, parseDuration } from '../cli.ts'
import { listing, relativeTime } from '../table.ts'

interface KeyOptions {
  key?: string
}

const which = ['--key <file>', "the key file (default: keys/release.key in the fleet's folder)"] as const
const pathOf = (cli: Cli, { key }: KeyOptions): string => key ?? join(cli.home.keys, 'release.key')

export function registerKeys(program: Command): void {
  const key = program
    .command('key')
    .summary('the keys that sign: show, unlock, lock')
    .description('The keys that sign, on this machine: show, unlock, lock.')
  defineCommand<[], KeyOptions>(
    key,
    {
      usage: 'show',
      summary: 'what the key files are',
      options: [['--key <file>', "a key file (default: all in the fleet's folder)"]],
      examples: ['key show', 'key show --key release.key'],
    },
    async (cli, options) => {
      const { readKeyInfo } = await import('../../../keys/key-file.ts')
      const paths =
        options.key === undefined
          ? ['root', 'release', 'gateway']
              .map((role) => join(cli.home.keys, `${role}.key`))
              .filter((path) => existsSync(path))
          : [options.key]
      const keys = paths.map((path) => {
        const info = readKeyInfo(path)
        return { ...info, publicKey: toHex(info.publicKey) }
      })
      cli.print(keys, () =>
        keys.length === 0
          ? `There are no keys in ${cli.home.keys}. Make a fleet with hypha init NAME.`
          : keys
              .map(({ role, fleet, path, publicKey, locked }) =>
                listing([
                  ['key', `${role} of ${fleet}`],
                  ['file', path],
                  ['public key', publicKey],
                  ['protection', locked ? 'a passphrase' : 'none: whoever reads the file has the key'],
                ]),
              )
              .join('\n\n'),
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
