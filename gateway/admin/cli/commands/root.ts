import { existsSync } from 'node:fs'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import { defineCommand, wholeNumber } from '../cli.ts'

const keyOption = [
  '--key <file>',
  'a root key file; may be given several times (default: keys/root.key)',
  undefined,
  'repeatable',
] as const
const file = 'FILE is a draft of root metadata (default: root/next.root in the folder of the fleet).'

export function registerRoot(program: Command): void {
  const root = program
    .command('root')
    .summary('root metadata, which says whose signatures count: show, sign, renew, submit')
    .description(
      'Root metadata says whose signatures count, and until when. hypha key rotate, add and revoke change it.',
    )
  defineCommand<[string | undefined] & string[], object>(
    root,
    {
      usage: 'show [file]',
      summary: 'roles, keys and thresholds, and of a draft who has signed it',
      description:
        'Show the root metadata in force, or a draft: what it changes, who has signed it and who still has to.',
      isDefault: true,
      examples: ['root', 'root show next.root', 'root show --json'],
    },
    async (cli, _options, path) => {
      const { currentRootOrNull, doubtOf, draftPath, progressOf, readDraft, vouchedBy } = await import(
        '../root-change.ts'
      )
      const { describeRoot, describeSignatures, rootJson } = await import('../root-told.ts')
      const { changesOf, standingsOf } = await import('../../../keys/root-draft.ts')
      const { keyFilesIn } = await import('../../../keys/key-folder.ts')
      const { keys } = keyFilesIn(cli.home.keys)
      if (path !== undefined) {
        const draft = readDraft(path)
        const signatures = standingsOf(draft)
        const vouched = await vouchedBy(cli, draft)
        const doubt = doubtOf(vouched, draft)
        cli.print({ ...rootJson(draft.next), changes: changesOf(draft), signatures, vouchedBy: vouched }, () =>
          [
            `A draft, ${progressOf(signatures)}:`,
            ...changesOf(draft).map((change) => `  ${change}`),
            `\n${describeSignatures(signatures)}`,
            `\n${describeRoot(draft.next, keys)}`,
            ...(doubt === null ? [] : [`\n! ${doubt}`]),
          ].join('\n'),
        )
        return
      }
      const current = await currentRootOrNull(cli)
      if (current === null) {
        throw new HyphaError('home-empty', `There is no fleet in ${cli.home.folder}, and no gateway in reach`, {
          mend: 'Name a draft (hypha root show FILE), or a gateway on another machine (--credentials FILE).',
        })
      }
      const waiting = existsSync(draftPath(cli)) ? readDraft(draftPath(cli)) : null
      const draft = waiting !== null && waiting.next.version > current.root.version ? waiting : null
      const told = draft && {
        path: draftPath(cli),
        version: draft.next.version,
        changes: changesOf(draft),
        signatures: standingsOf(draft),
      }
      cli.print({ ...rootJson(current.root), draft: told }, () =>
        [
          describeRoot(current.root, keys),
          ...(draft === null
            ? []
            : [
                `\n! A draft of version ${draft.next.version} waits: ${progressOf(standingsOf(draft))}. See hypha root show ${draftPath(cli)}`,
              ]),
        ].join('\n'),
      )
    },
  )
  defineCommand<[string | undefined] & string[], { key?: string[] }>(
    root,
    {
      usage: 'sign [file]',
      summary: 'sign a draft; with the last signature that it needs it is submitted',
      description: `Sign a draft after having looked at what it changes (hypha root show FILE). ${file}`,
      options: [keyOption],
      examples: ['root sign', 'root sign next.root --key /media/stick/root.key'],
    },
    async (cli, options, path) => {
      const { draftPath, readDraft, signRootDraft } = await import('../root-change.ts')
      const { describeChange } = await import('../root-told.ts')
      const { fleet } = readDraft(path ?? draftPath(cli)).next
      const result = await signRootDraft(cli, path ?? draftPath(cli), options.key)
      cli.print(result, () => describeChange(result, fleet))
    },
  )
  defineCommand<[], { days: string; key?: string[] }>(
    root,
    {
      usage: 'renew',
      summary: 'sign root metadata anew before it expires',
      description:
        'The next version of root metadata, with the same keys and a later end. Nodes accept no new directive under one that has expired.',
      options: [['--days <number>', 'how long it holds from now on', '1825'], keyOption],
      examples: ['root renew', 'root renew --days 365 --key /media/stick/root.key'],
    },
    async (cli, options) => {
      const days = wholeNumber(options.days, '--days', 1, 36_500)
      const { changeRoot, currentRoot, openRootKeys } = await import('../root-change.ts')
      const { describeChange } = await import('../root-told.ts')
      const current = await currentRoot(cli)
      const changes = { expiresMs: Date.now() + days * 86_400_000 }
      const result = await changeRoot(cli, current, changes, { signers: await openRootKeys(cli, current, options.key) })
      cli.print(result, () => describeChange(result, current.root.fleet))
    },
  )
  defineCommand<[string | undefined] & string[], object>(
    root,
    {
      usage: 'submit [file]',
      summary: 'hand a draft with all its signatures to the gateway',
      description: `Hand a draft with all its signatures to the gateway, or into the fleet's folder while no gateway runs. ${file}`,
      examples: ['root submit', 'root submit /media/stick/next.root'],
    },
    async (cli, _options, path) => {
      const { draftPath, readDraft, submitRootDraft } = await import('../root-change.ts')
      const { describeChange } = await import('../root-told.ts')
      const { fleet } = readDraft(path ?? draftPath(cli)).next
      const result = await submitRootDraft(cli, path ?? draftPath(cli))
      cli.print(result, () => describeChange(result, fleet))
    },
  )
}
