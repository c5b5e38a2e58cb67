import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { openEnvelope, type Signer, seedSigner } from '@hypha/core/trust/cose.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { type VerifiedRoot, verifyFirstRoot, verifyNextRoot } from '@hypha/core/trust/root-chain.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { type Moved, settleNames, usedKeyFile } from '../../keys/key-folder.ts'
import {
  changesOf,
  decodeDraft,
  encodeDraft,
  isMet,
  makeDraft,
  type RootChanges,
  type RootDraft,
  type Standing,
  signDraft,
  standingsOf,
} from '../../keys/root-draft.ts'
import { Roots } from '../../roots.ts'
import type { Status } from '../api/schemas/access.ts'
import type { RootView } from '../api/schemas/root.ts'
import type { Cli } from './cli.ts'
import { openKey } from './keys.ts'

/** Root metadata in force, with the envelope that was signed. */
export interface CurrentRoot {
  readonly root: RootMetadata
  readonly envelope: Uint8Array
  /** What whoever signs what follows it has to know; null where nothing. */
  readonly doubt: string | null
}

export const draftPath = (cli: Cli): string => join(cli.home.roots, 'next.root')

const hasRoots = (cli: Cli): boolean => !cli.remote && existsSync(join(cli.home.roots, '1.root'))

const openRoots = (cli: Cli, fleet: string): Roots =>
  new Roots({ files: nodeFiles(cli.home.roots), folder: cli.home.roots, fleet, crypto: nodeCrypto })

/** The fleet whose folder this is; null for a folder of keys alone. */
export async function fleetOf(cli: Cli): Promise<string | null> {
  if (!existsSync(cli.home.fleetFile)) return null
  const { readFleetFile } = await import('../../home.ts')
  return readFleetFile(cli.home).fleet
}

/** All versions of root metadata that are known here, the newest last, each verified by the one before. */
interface KnownRoots {
  readonly by: 'home' | 'gateway'
  readonly chain: readonly VerifiedRoot[]
  readonly envelopes: readonly Uint8Array[]
}

/** From the fleet's folder, else from the gateway, whose word it is what the first one is. Throws what `Roots` and the gateway throw. */
async function knownRoots(cli: Cli): Promise<KnownRoots> {
  if (hasRoots(cli)) {
    const fleet = (await fleetOf(cli))!
    return { by: 'home', ...verified(fleet, openRoots(cli, fleet).chain) }
  }
  const { fleet, envelopes } = await cli.api.request<RootView>('GET', '/v1/root')
  const given = envelopes.map((text) => new Uint8Array(Buffer.from(text, 'base64')))
  return { by: 'gateway', ...verified(fleet, given) }
}

function verified(fleet: string, envelopes: readonly Uint8Array[]): Omit<KnownRoots, 'by'> {
  const [first = new Uint8Array(), ...rest] = envelopes
  const chain = [verifyFirstRoot(first, fleet, nodeCrypto)]
  for (const next of rest) chain.push(verifyNextRoot(chain.at(-1)!.root, next, nodeCrypto))
  return { chain, envelopes }
}

/** From the fleet's folder, else from the gateway; the chain is verified in either case. Throws what `Roots` and the gateway throw. */
export async function currentRoot(cli: Cli): Promise<CurrentRoot> {
  const { by, chain, envelopes } = await knownRoots(cli)
  const first = toHex(nodeCrypto.sha256(envelopes[0]!))
  const doubt =
    by === 'home'
      ? null
      : `This machine has no root metadata, and goes by the gateway's word: that its first version has the SHA-256 ${first}. hypha init has printed it, and every join URL names it (root=…). If it is another, give no passphrase: end this with Ctrl-C.`
  return { root: chain.at(-1)!.root, envelope: envelopes.at(-1)!, doubt }
}

/** Who says that the version that a draft follows is the fleet's: its folder here, the gateway, or nobody but the draft itself. */
export type VouchedBy = 'home' | 'gateway' | 'draft'

/**
 * Holds the version that a draft follows against what is known here. What a draft changes is told against it, so that one who could write it as he likes could have others sign what they don't see. Throws
 * `root-version` where it is another than the one of that number that is known here.
 */
export async function vouchedBy(cli: Cli, { before, beforeEnvelope }: RootDraft): Promise<VouchedBy> {
  const known = await orNull(knownRoots(cli))
  const same = known?.chain.find(({ root }) => root.fleet === before.fleet && root.version === before.version)
  if (known === null || same === undefined) return 'draft'
  if (bytesEqual(same.payload, openEnvelope(beforeEnvelope, 'root', maxRootBytes).unverifiedPayload)) return known.by
  throw new HyphaError(
    'root-version',
    `The draft follows a version ${before.version} of root metadata that is not the fleet's`,
    { mend: 'Do not sign it: what it changes is not what it shows. Ask who made it.' },
  )
}

/** What whoever is to sign a draft has to know of who vouches for it; null where nothing. */
export const doubtOf = (by: VouchedBy, { before }: RootDraft): string | null =>
  by === 'home'
    ? null
    : `${by === 'gateway' ? "Only the gateway's word says" : 'Nothing on this machine says'} that version ${before.version} was as the draft has it: sign it only if you know every key of it (hypha root show FILE lists them all).`

/** As `currentRoot`; null where this machine has neither a fleet's folder nor a gateway in reach. */
export async function currentRootOrNull(cli: Cli): Promise<CurrentRoot | null> {
  return orNull(currentRoot(cli))
}

async function orNull<T>(known: Promise<T>): Promise<T | null> {
  try {
    return await known
  } catch (thrown) {
    const error = asHyphaError(thrown)
    if (error.code === 'gateway-unreachable') return null
    throw error
  }
}

/** What came of a change, or of a signature. */
export interface ChangeResult {
  readonly version: number
  readonly changes: readonly string[]
  readonly signatures: readonly Standing[]
  /** Who took it: the gateway, or the fleet's folder while no gateway runs; null where it isn't in force yet. */
  readonly takenBy: 'gateway' | 'home' | null
  /** The draft's file, where it still waits. */
  readonly draft: string | null
  readonly moved: readonly Moved[]
  /** What the gateway says that an operator should look at now. */
  readonly notices: readonly string[]
}

/**
 * Makes the next version of root metadata with a change, signs it with the keys at hand (`signers`, and `also`), and submits it when enough have signed. Throws
 * `argument-invalid` where another draft waits, and what the parts throw.
 */
export async function changeRoot(
  cli: Cli,
  current: CurrentRoot,
  changes: RootChanges,
  {
    signers,
    also = [],
    prepare,
  }: {
    readonly signers: readonly Signer[]
    readonly also?: readonly Signer[]
    /** Makes what has to be there before the change can come into force. */
    readonly prepare?: () => void
  },
): Promise<ChangeResult> {
  const path = draftPath(cli)
  refuseSecondDraft(cli, current.root)
  const known = new Set(signers.map(({ kid }) => kid.join()))
  const draft = makeDraft(current.envelope, changes, [...signers, ...also.filter(({ kid }) => !known.has(kid.join()))])
  prepare?.()
  writeDraft(path, draft)
  return finish(cli, path, draft)
}

/** The root keys at hand, opened (`keyFiles`, else the home's root key), after whoever gives their passphrases was told what to doubt. Throws what `openKey` throws. */
export async function openRootKeys(
  cli: Cli,
  current: CurrentRoot,
  keyFiles: readonly string[] | undefined,
): Promise<Signer[]> {
  if (current.doubt !== null) cli.note(current.doubt)
  return openSigners(cli, keyFiles)
}

/** Adds signatures to a draft, and submits it when it has enough and this is the fleet's machine. Throws `root-version` where it follows what isn't the fleet's. */
export async function signRootDraft(
  cli: Cli,
  path: string,
  keyFiles: readonly string[] | undefined,
): Promise<ChangeResult> {
  const given = readDraft(path)
  const doubt = doubtOf(await vouchedBy(cli, given), given)
  if (doubt !== null) cli.note(doubt)
  const draft = signDraft(given, await openSigners(cli, keyFiles))
  writeDraft(path, draft)
  return finish(cli, path, draft)
}

/** Submits a draft that has enough signatures. Throws `threshold-not-met` where it hasn't. */
export async function submitRootDraft(cli: Cli, path: string): Promise<ChangeResult> {
  const draft = readDraft(path)
  const standings = standingsOf(draft)
  if (!isMet(standings)) {
    throw new HyphaError('threshold-not-met', `Root metadata ${draft.next.version} is ${progressOf(standings)}`, {
      where: path,
      mend: `Hand the file to the next key holder: hypha root sign ${path}.`,
    })
  }
  return submit(cli, path, draft, standings)
}

/** Throws `argument-invalid` where there is no such file. */
export function readDraft(path: string): RootDraft {
  if (!existsSync(path)) {
    throw new HyphaError('argument-invalid', `There is no draft of root metadata in ${path}`, {
      where: path,
      mend: 'Begin one with hypha key rotate, add or revoke, or with hypha root renew.',
    })
  }
  // Judged before it is read: what is no file has no end.
  const stat = statSync(path)
  if (!stat.isFile() || stat.size > maxDraftBytes) throw noDraft(path)
  try {
    return decodeDraft(new Uint8Array(readFileSync(path)))
  } catch (cause) {
    const { code } = asHyphaError(cause)
    throw code.startsWith('bytes-') || code === 'message-malformed' ? noDraft(path, cause) : cause
  }
}

/** Of two envelopes of root metadata, with their signatures. */
const maxDraftBytes = 65_536

const noDraft = (path: string, cause?: unknown): HyphaError =>
  new HyphaError(
    'bytes-malformed',
    `${path} holds no draft of root metadata${cause === undefined ? '' : `: ${asHyphaError(cause).message}`}`,
    { where: path, mend: 'Check that it is the file that was handed on, and that all of it was copied.', cause },
  )

/** "signed 1 of 2", for each of the thresholds that are to be met. */
export const progressOf = (standings: readonly Standing[]): string =>
  standings
    .map(({ version, signed, threshold }) => {
      const by = standings.length > 1 ? ` by the root keys of version ${version}` : ''
      return `signed ${Math.min(signed.length, threshold)} of ${threshold}${by}`
    })
    .join(' and ')

async function openSigners(cli: Cli, keyFiles: readonly string[] | undefined): Promise<Signer[]> {
  const own = usedKeyFile(cli.home.keys, 'root')
  const paths = keyFiles ?? (existsSync(own) ? [own] : [])
  if (paths.length === 0) {
    throw new HyphaError('argument-invalid', `There is no root key in ${cli.home.keys} to sign with`, {
      mend: 'Name a root key file: --key FILE.',
    })
  }
  const signers: Signer[] = []
  // One after the other: each may ask for its passphrase.
  for (const path of paths) {
    const { role, seed } = await openKey(path)
    if (role !== 'root') {
      throw new HyphaError('argument-invalid', `${path} holds a ${role} key; root metadata is signed by root keys`, {
        where: path,
        mend: 'Name a root key file: --key FILE.',
      })
    }
    signers.push(seedSigner(seed, nodeCrypto))
  }
  return signers
}

/** Throws `argument-invalid` where a draft waits that would be lost. */
export function refuseSecondDraft(cli: Cli, current: RootMetadata): void {
  const path = draftPath(cli)
  if (!existsSync(path)) return
  const draft = readDraft(path)
  // Root metadata went on without it: it can't be submitted any more.
  if (draft.next.version <= current.version) return
  const standings = standingsOf(draft)
  throw new HyphaError('argument-invalid', `A draft of version ${draft.next.version} waits: ${progressOf(standings)}`, {
    where: path,
    mend: isMet(standings)
      ? 'Submit it first (hypha root submit), or delete the file.'
      : 'Have it signed first (hypha root sign), or delete the file.',
  })
}

async function finish(cli: Cli, path: string, draft: RootDraft): Promise<ChangeResult> {
  const standings = standingsOf(draft)
  if (isMet(standings) && (cli.remote || hasRoots(cli))) return submit(cli, path, draft, standings)
  return { ...summary(draft, standings), takenBy: null, draft: path, moved: [], notices: [] }
}

async function submit(cli: Cli, path: string, draft: RootDraft, standings: readonly Standing[]): Promise<ChangeResult> {
  const takenBy = (await toGateway(cli, draft)) ? 'gateway' : await toHome(cli, draft)
  rmSync(path, { force: true })
  const moved = settleNames(cli.home.keys, draft.next)
  const notices = takenBy === 'home' ? [] : (await cli.api.request<Status>('GET', '/v1/status')).notices
  return { ...summary(draft, standings), takenBy, draft: null, moved, notices }
}

const summary = (draft: RootDraft, signatures: readonly Standing[]) => ({
  version: draft.next.version,
  changes: changesOf(draft),
  signatures,
})

/** False where no gateway runs on this machine. */
async function toGateway(cli: Cli, { beforeEnvelope, envelope }: RootDraft): Promise<boolean> {
  try {
    await cli.api.request('POST', '/v1/root', { cbor: rootChain.encode({ envelopes: [beforeEnvelope, envelope] }) })
    return true
  } catch (thrown) {
    const error = asHyphaError(thrown)
    if (error.code !== 'gateway-unreachable' || cli.remote || !hasRoots(cli)) throw error
    return false
  }
}

async function toHome(cli: Cli, draft: RootDraft): Promise<'home'> {
  await openRoots(cli, draft.next.fleet).add([draft.beforeEnvelope, draft.envelope], Date.now())
  return 'home'
}

function writeDraft(path: string, draft: RootDraft): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, encodeDraft(draft), { flush: true })
  renameSync(`${path}.new`, path)
}
