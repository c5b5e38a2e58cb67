import { basename } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { type KeyRole, keyRoles } from '../../keys/key-box.ts'
import type { KeyInfo } from '../../keys/key-file.ts'
import { dayOf, idOf, type Standing } from '../../keys/root-draft.ts'
import { type ChangeResult, progressOf } from './root-change.ts'
import { relativeTime, table } from './table.ts'

/** What came of a change of root metadata, for people. */
export function describeChange(result: ChangeResult, fleet: string): string {
  const { version, changes, takenBy, draft, signatures, moved, notices } = result
  const lines: string[] = []
  if (takenBy === 'gateway') {
    lines.push(
      `Root metadata version ${version} of ${fleet} is in force: the gateway has it, and nodes follow it as they come.`,
    )
  } else if (takenBy === 'home') {
    lines.push(
      `Root metadata version ${version} of ${fleet} is in the fleet's folder: no gateway runs, and its next start takes it.`,
    )
  } else lines.push(`Root metadata version ${version} of ${fleet} is drafted: ${progressOf(signatures)}.`)
  lines.push(...changes.map((change) => `  ${change}`))
  if (draft !== null) lines.push(nextStep(signatures, draft))
  const kept = moved.filter(({ role, to }) => basename(to) !== `${role}.key`)
  lines.push(...kept.map(({ role, to }) => `The ${role} key of before is kept in ${to}.`))
  lines.push(...notices.map((notice) => `! ${notice}`))
  return lines.join('\n')
}

function nextStep(signatures: readonly Standing[], draft: string): string {
  const missing = [...new Set(lacking(signatures).flatMap((standing) => standing.missing))]
  return missing.length === 0
    ? `It has all its signatures. Bring ${draft} to the gateway's machine: hypha root submit ${draft}`
    : `Hand ${draft} to the next key holder (${missing.join(', ')}): hypha root sign ${draft}`
}

const lacking = (signatures: readonly Standing[]): Standing[] =>
  signatures.filter(({ signed, threshold }) => signed.length < threshold)

/** As the HTTP API shows it. */
export function rootJson(root: RootMetadata) {
  const role = (name: KeyRole) => ({
    threshold: root[name].threshold,
    keys: root[name].keys.map((key) => ({ id: idOf(key), publicKey: toHex(key) })),
  })
  const { fleet, version, expiresMs: expiresAt } = root
  return {
    fleet,
    version,
    expiresAt,
    roles: { root: role('root'), release: role('release'), gateway: role('gateway') },
    authorities: root.authorities?.map(toHex) ?? null,
  }
}

/** Roles, keys and thresholds as a table. */
export function describeRoot(root: RootMetadata, files: readonly KeyInfo[], now = Date.now()): string {
  const rows = keyRoles.flatMap((role) =>
    root[role].keys.map((key, index) => ({
      role: index === 0 ? role : '',
      threshold: index === 0 ? `${root[role].threshold} of ${root[role].keys.length}` : '',
      id: idOf(key),
      file: files.find(({ publicKey }) => idOf(publicKey) === idOf(key))?.path ?? '',
    })),
  )
  return [
    `Version ${root.version} of ${root.fleet}; expires ${dayOf(root.expiresMs)} (${relativeTime(root.expiresMs, now)})\n`,
    ...(root.authorities ?? []).map((digest) => `Certificate authority of the gateway: ${toHex(digest)}\n`),
    table(
      [
        { heading: 'ROLE', text: (row) => row.role },
        { heading: 'MUST SIGN', text: (row) => row.threshold },
        { heading: 'KEY ID', text: (row) => row.id },
        { heading: 'FILE HERE', text: (row) => row.file },
      ],
      rows,
    ),
  ].join('\n')
}

/** Who has signed a draft, and who hasn't. */
export function describeSignatures(signatures: readonly Standing[]): string {
  const rows = signatures.flatMap(({ version, signed, missing }) => [
    ...signed.map((id) => ({ version, id, state: 'signed' })),
    ...missing.map((id) => ({ version, id, state: 'not yet' })),
  ])
  return table(
    [
      { heading: 'ROOT KEYS OF', text: (row) => `version ${row.version}` },
      { heading: 'KEY ID', text: (row) => row.id },
      { heading: 'STATE', text: (row) => row.state },
    ],
    rows,
  )
}
