import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cli } from './cli.ts'

// The highest number that this home has given to a release of each app, by fleet. A gateway that was restored from a backup doesn't know the newest ones, and nodes run them: two
// releases of one number would mislead people. Nodes don't mind, they go by digests.

const pathOf = ({ home }: Cli): string => join(home.folder, 'numbers.json')

function readNumbers(cli: Cli): Record<string, number> {
  const path = pathOf(cli)
  if (!existsSync(path)) return {}
  try {
    const read: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof read === 'object' && read !== null) return read as Record<string, number>
  } catch {
    cli.note(`${path} can't be read; numbers go on from what the gateway knows.`)
  }
  return {}
}

/** 0 where this home has released nothing under the name. */
export function lastNumber(cli: Cli, fleet: string, app: string): number {
  const number = readNumbers(cli)[`${fleet}/${app}`]
  return Number.isInteger(number) && number! > 0 && number! < 0xffff_ffff ? number! : 0
}

/** To be called once a gateway has accepted it. */
export function rememberNumber(cli: Cli, fleet: string, app: string, number: number): void {
  // Who only speaks to a gateway may have no home.
  if (!existsSync(cli.home.folder) || number <= lastNumber(cli, fleet, app)) return
  writeFileSync(pathOf(cli), `${JSON.stringify({ ...readNumbers(cli), [`${fleet}/${app}`]: number }, null, 2)}\n`)
}
