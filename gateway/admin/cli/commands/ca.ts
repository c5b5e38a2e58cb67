import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import { type Cli, defineCommand } from '../cli.ts'
import { writeSecret } from '../secret-file.ts'
import { table } from '../table.ts'

export function registerAuthority(program: Command): void {
  const ca = program
    .command('ca')
    .summary("the gateway's certificate authority: show, replace")
    .description("The gateway's certificate authority, by which nodes and clients know their gateway.")
  defineCommand(
    ca,
    {
      usage: 'show',
      summary: 'the authorities here, and which one nodes believe the gateway by',
      isDefault: true,
      examples: ['ca', 'ca show --json'],
    },
    async (cli) => {
      checkHere(cli)
      const { authorityFiles } = await import('../../../enrol/authorities.ts')
      const { currentRoot } = await import('../root-change.ts')
      const { authorities } = (await currentRoot(cli)).root
      const listed = authorities?.map(toHex) ?? null
      const found = authorityFiles(cli.home.gateway).map(({ fingerprint, path, keyPath }, index) => ({
        fingerprint,
        path,
        key: keyPath,
        named: listed === null ? index === 0 : listed.includes(fingerprint),
      }))
      const missing = (listed ?? []).filter((each) => !found.some(({ fingerprint }) => fingerprint === each))
      const rows = [...found, ...missing.map((fingerprint) => ({ fingerprint, path: null, key: null, named: true }))]
      cli.print(rows, () =>
        table(
          [
            { heading: 'CA', text: ({ fingerprint }) => fingerprint.slice(0, 16) },
            { heading: 'NODES BELIEVE IT', text: ({ named }) => (named ? 'yes' : 'no') },
            { heading: 'CERTIFICATE', text: ({ path }) => path ?? 'not here' },
            { heading: 'KEY', text: ({ key }) => (key === null ? 'not here' : 'here') },
          ],
          rows,
        ),
      )
    },
  )
  defineCommand<[], { key?: string[] }>(
    ca,
    {
      usage: 'rotate',
      summary: 'replace the certificate authority while the fleet runs',
      description:
        "Replace the gateway's certificate authority while the fleet runs, on the gateway's machine. It makes the next version of root metadata, which names the new one, and submits it once enough root keys have signed it; from then on the gateway uses it, and nodes follow by themselves.",
      options: [
        [
          '--key <file>',
          'a root key file to sign with; may be given several times (default: keys/root.key)',
          undefined,
          'repeatable',
        ],
      ],
      examples: ['ca rotate', 'ca rotate --key /media/stick/root.key'],
    },
    async (cli, options) => {
      checkHere(cli)
      const { changeRoot, currentRoot, openRootKeys, refuseSecondDraft } = await import('../root-change.ts')
      const { describeChange } = await import('../root-told.ts')
      const { authorityPaths } = await import('../../../enrol/authorities.ts')
      const { createAuthority } = await import('../../../enrol/ca.ts')
      const current = await currentRoot(cli)
      refuseSecondDraft(cli, current.root)
      const made = await createAuthority(current.root.fleet)
      const key = await made.exportKey()
      const paths = authorityPaths(cli.home.gateway, made.fingerprint)
      const changes = { authorities: [fromHex(made.fingerprint)] }
      const result = await changeRoot(cli, current, changes, {
        signers: await openRootKeys(cli, current, options.key),
        // Before anybody can follow root metadata that names it, and not before it is known that it can be signed.
        prepare() {
          writeSecret(paths.key, key)
          writeSecret(paths.certificate, made.certificate)
        },
      })
      cli.print({ ...result, ca: made.fingerprint, files: paths }, () =>
        [
          describeChange(result, current.root.fleet),
          `The new authority is in ${paths.certificate}, its key beside it.`,
          ...(result.takenBy === null ? ['Until then the one of before goes on.'] : advice(paths.certificate)),
        ].join('\n'),
      )
    },
  )
}

/** What doesn't follow by itself. */
const advice = (path: string): string[] => [
  'Nodes follow by themselves, those that are away when they come back.',
  `MQTT clients and saved credentials of tokens don't: give them ${path} in place of the CA file that they have; certificates and tokens stay.`,
  'Invitations that were not used yet name the one of before: make them anew.',
]

/** The files are the gateway's own, and its key never travels. Throws `argument-invalid`. */
function checkHere(cli: Cli): void {
  if (!cli.remote) return
  throw new HyphaError('argument-invalid', "The certificate authority is on the gateway's machine alone", {
    mend: 'Run the command there, without --credentials.',
  })
}
