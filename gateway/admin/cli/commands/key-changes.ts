import { existsSync } from 'node:fs'
import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type Signer, seedSigner } from '@hypha/core/trust/cose.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import type { Command } from 'commander'
import { type KeyRole, keyRoles, type Protection } from '../../../keys/key-box.ts'
import { type OpenKey, readKeyInfo } from '../../../keys/key-file.ts'
import { makeKeyFile, usedKeyFile } from '../../../keys/key-folder.ts'
import { addKey, checkNamed, replaceKey, revokeKey } from '../../../keys/root-changes.ts'
import { holds, idOf, type RootChanges } from '../../../keys/root-draft.ts'
import { type Cli, defineCommand, wholeNumber } from '../cli.ts'
import { listing } from '../table.ts'

interface ChangeOptions {
  readonly key?: string[]
  readonly threshold?: string
}

const rootKeys = [
  '--key <file>',
  'a root key file to sign with; may be given several times (default: keys/root.key)',
  undefined,
  'repeatable',
] as const
const threshold = ['--threshold <number>', 'how many keys of the role must sign from then on'] as const
const next = 'It makes the next version of root metadata, and submits it once enough root keys have signed it.'

export function registerKeyChanges(key: Command): void {
  defineCommand<[string], { out?: string; unlocked?: boolean; fleet?: string }>(
    key,
    {
      usage: 'new <role>',
      summary: 'make a key file for the role root, release or gateway; root metadata stays as it is',
      description:
        'Make a key file for the role root, release or gateway. It counts once root metadata names it: hypha key add, hypha key rotate.',
      options: [
        ['--out <file>', "where it goes (default: the fleet's folder keys)"],
        ['--unlocked', 'without a passphrase, as a gateway key always is'],
        ['--fleet <fleet>', "the fleet that it is for (default: the fleet's folder says it)"],
      ],
      examples: ['key new release', 'key new root --fleet my-fleet --out /media/stick/root.key'],
    },
    async (cli, { out, unlocked, fleet }, name) => {
      const role = roleOf(name)
      const made = await makeKey(cli, role, { out, unlocked: unlocked ?? false, fleet: await fleetFor(cli, fleet) })
      const { path, publicKey, locked } = made
      const result = { role, fleet: made.fleet, path, id: idOf(publicKey), publicKey: toHex(publicKey), locked }
      cli.print(result, () =>
        [
          listing([
            ['key', `${role} of ${made.fleet}`],
            ['file', path],
            ['key id', result.id],
            ['public key', result.publicKey],
          ]),
          `\nIt counts once root metadata names it: hypha key add ${role} ${result.publicKey}`,
        ].join('\n'),
      )
    },
  )
  defineCommand<[string], ChangeOptions & { old?: string; new?: string }>(
    key,
    {
      usage: 'rotate <role>',
      summary: 'replace a key of a role while the fleet runs',
      description: `Replace a key of the role root, release or gateway while the fleet runs. ${next} Old key files are kept beside the new ones.`,
      options: [
        [
          '--old <key>',
          "the key that is replaced: its id, or its file (default: the role's file here, else its only key)",
        ],
        ['--new <key>', 'the key in its place: a key file, or a public key in hex (default: a new key file)'],
        rootKeys,
      ],
      examples: [
        'key rotate release',
        'key rotate root --old 1a2b3c4d5e6f7081',
        'key rotate gateway --new gateway-2.key',
      ],
    },
    async (cli, options, name) => {
      const role = roleOf(name)
      await change(cli, role, options.key, async (root, openRootKeys) => {
        const old = options.old === undefined ? defaultOld(cli, root, role) : keyOf(options.old, root, role)
        if (options.new !== undefined) {
          return {
            changes: replaceKey(root, role, old, keyOf(options.new, root, role)),
            also: await signerOf(options.new, role),
          }
        }
        checkNamed(root, role, old)
        // Whoever can't sign for it makes no key: its file would lie there, and nothing would name it.
        await openRootKeys()
        const made = await makeKey(cli, role, { out: undefined, unlocked: false, fleet: root.fleet })
        cli.note(`The new ${role} key is in ${made.path}.`)
        const also = role === 'root' ? [seedSigner(made.seed, nodeCrypto)] : []
        return { changes: replaceKey(root, role, old, made.publicKey), also }
      })
    },
  )
  defineCommand<[string, string], ChangeOptions>(
    key,
    {
      usage: 'add <role> <key>',
      summary: 'give a role another key: a key file, or a public key in hex',
      description: `Give a role another key: a key file, or a public key in hex. ${next}`,
      options: [threshold, rootKeys],
      examples: ['key add release build.key', 'key add root /media/stick/root.key --threshold 2'],
    },
    async (cli, options, name, given) => {
      const role = roleOf(name)
      await change(cli, role, options.key, async (root) => ({
        changes: addKey(root, role, keyOf(given, root, role), thresholdOf(options)),
        also: await signerOf(given, role),
      }))
    },
  )
  defineCommand<[string, string], ChangeOptions>(
    key,
    {
      usage: 'revoke <role> <key>',
      summary: 'take a key from a role: its id, or its file',
      description: `Take a key from a role: its id, or its file. What it alone has signed counts no more for what is new; what runs goes on. ${next}`,
      options: [threshold, rootKeys],
      examples: ['key revoke release 1a2b3c4d5e6f7081', 'key revoke root 1a2b3c4d5e6f7081 --threshold 1'],
    },
    async (cli, options, name, given) => {
      const role = roleOf(name)
      await change(cli, role, options.key, async (root) => ({
        changes: revokeKey(root, role, keyOf(given, root, role), thresholdOf(options)),
        also: [],
      }))
    },
  )
}

type Change = (
  root: RootMetadata,
  openRootKeys: () => Promise<unknown>,
) => Promise<{ readonly changes: RootChanges; readonly also: readonly Signer[] }>

async function change(cli: Cli, role: KeyRole, keyFiles: readonly string[] | undefined, make: Change): Promise<void> {
  const { changeRoot, currentRoot, openRootKeys, refuseSecondDraft } = await import('../root-change.ts')
  const { describeChange } = await import('../root-told.ts')
  const current = await currentRoot(cli)
  // Before a key is made that nobody would use.
  refuseSecondDraft(cli, current.root)
  let opened: Promise<Signer[]> | undefined
  const openOnce = () => {
    opened ??= openRootKeys(cli, current, keyFiles)
    return opened
  }
  const { changes, also } = await make(current.root, openOnce)
  const result = await changeRoot(cli, current, changes, { signers: await openOnce(), also })
  cli.print(result, () => [describeChange(result, current.root.fleet), ...advice(role, result)].join('\n'))
}

/** What people do next, beyond what the gateway's notices say. */
function advice(role: KeyRole, { takenBy, changes }: { takenBy: string | null; changes: readonly string[] }): string[] {
  if (takenBy === null || !changes.some((line) => /replaces|revoked/.test(line))) return []
  if (role === 'root') return ['Keep a copy of the new root key offline, as of the old one.']
  if (role === 'release') {
    return [
      'Releases that only the old key has signed go on where they run, and install nowhere anew until they are signed again: hypha sign APP@NUMBER.',
    ]
  }
  return []
}

function roleOf(name: string): KeyRole {
  const role = keyRoles.find((each) => each === name)
  if (role !== undefined) return role
  throw new HyphaError('argument-invalid', `There is no role "${name}"`, { mend: `Roles are ${keyRoles.join(', ')}.` })
}

const thresholdOf = (options: ChangeOptions): number | undefined =>
  options.threshold === undefined ? undefined : wholeNumber(options.threshold, '--threshold', 1, 16)

/** A public key: 64 hex digits, the 16 of the id of a key that root names, or a key file of the role. Throws `argument-invalid` and what `readKeyInfo` throws. */
function keyOf(given: string, root: RootMetadata, role: KeyRole): Uint8Array {
  if (/^[0-9a-f]{64}$/i.test(given)) return fromHex(given.toLowerCase())
  if (/^[0-9a-f]{16}$/i.test(given) && !existsSync(given)) {
    const key = root[role].keys.find((each) => idOf(each) === given.toLowerCase())
    if (key !== undefined) return key
    throw new HyphaError('argument-invalid', `Root metadata version ${root.version} names no ${role} key ${given}`, {
      mend: 'hypha root show lists those that it names.',
    })
  }
  if (!existsSync(given)) {
    throw new HyphaError(
      'argument-invalid',
      `"${given}" is neither the id of a ${role} key, nor a public key, nor a key file`,
      {
        mend: 'Ids have 16 hex digits (hypha root show lists them), public keys have 64.',
      },
    )
  }
  const info = readKeyInfo(given)
  if (info.role === role && info.fleet === root.fleet) return info.publicKey
  throw new HyphaError('argument-invalid', `${given} holds the ${info.role} key of ${info.fleet}`, {
    where: given,
    mend: `Name a ${role} key of ${root.fleet}: hypha key new ${role} makes one.`,
  })
}

/** A new root key signs the root metadata that names it first, where its file is at hand. */
async function signerOf(given: string, role: KeyRole): Promise<Signer[]> {
  if (role !== 'root' || !existsSync(given)) return []
  const { openKey } = await import('../keys.ts')
  return [seedSigner((await openKey(given)).seed, nodeCrypto)]
}

function defaultOld(cli: Cli, root: RootMetadata, role: KeyRole): Uint8Array {
  const path = usedKeyFile(cli.home.keys, role)
  const here = existsSync(path) ? readKeyInfo(path).publicKey : null
  if (here !== null && holds(root[role], here)) return here
  const [only, another] = root[role].keys
  if (only !== undefined && another === undefined) return only
  throw new HyphaError('argument-invalid', `Which of the ${root[role].keys.length} ${role} keys is to be replaced?`, {
    mend: 'Name it with --old: hypha root show lists them.',
  })
}

async function makeKey(
  cli: Cli,
  role: KeyRole,
  { out, unlocked, fleet }: { readonly out: string | undefined; readonly unlocked: boolean; readonly fleet: string },
): Promise<OpenKey> {
  // A gateway starts by itself: nobody is there to be asked.
  const protection: Protection =
    unlocked || role === 'gateway' ? { unsafePlain: true } : { passphrase: await newPassphrase(role) }
  return makeKeyFile({ fleet, role, protection, out, folder: cli.home.keys })
}

async function newPassphrase(role: KeyRole): Promise<string> {
  const { askNewPassphrase } = await import('../prompt.ts')
  return askNewPassphrase(`Passphrase for the new ${role} key: `)
}

async function fleetFor(cli: Cli, given: string | undefined): Promise<string> {
  const { fleetOf } = await import('../root-change.ts')
  const fleet = given ?? (await fleetOf(cli))
  if (fleet !== null) return fleet
  throw new HyphaError('argument-invalid', `There is no fleet in ${cli.home.folder}: which one is the key for?`, {
    mend: 'Name it: --fleet NAME.',
  })
}
