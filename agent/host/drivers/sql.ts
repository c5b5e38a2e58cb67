import { HyphaError } from '@hypha/core/errors.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { HelperClient } from '../helper-client.ts'
import { err, type HostCall, ok } from '../host.ts'
import { type SqlValue, valueFromJson, valueToJson, type WireValue } from '../sql-values.ts'

/** The answer must reach the module before its turn ends. */
const reserveMs = 50
const longestMs = 60_000
const openMs = 10_000
const removeMs = 10_000

/**
 * Runs a module's statement in the helper's process for the app's database, which is killed when a statement doesn't end in time. Answers
 * `result<rows, string>` or `result<u64, string>`.
 */
export async function runSql(helper: HelperClient, call: HostCall): Promise<unknown> {
  const [statement, params] = call.args as [string, readonly SqlValue[]]
  const timeoutMs = Math.max(1, Math.min(longestMs, call.leftMs - reserveMs))
  const answer = await helper.request(
    {
      op: 'sql',
      app: call.instance.app,
      func: call.func,
      statement,
      params: params.map(valueToJson),
      key: `${instanceName(call.instance)}/${call.key}`,
      timeoutMs,
    },
    timeoutMs,
  )
  if (typeof answer.error === 'string') return err(answer.error)
  if (call.func === 'execute') return ok(BigInt(String(answer.changes)))
  const rows = answer.rows as readonly (readonly WireValue[])[]
  return ok({ columns: answer.columns, rows: rows.map((row) => row.map(valueFromJson)) })
}

/** Starts the process of an app's database, so that the first turn that asks it needn't wait for that. Throws `helper-unreachable`. */
export async function openDatabase(helper: HelperClient, app: string): Promise<void> {
  const question = { op: 'sql', app, func: 'query', statement: 'SELECT 1', params: [], key: '' }
  const { error } = await helper.request({ ...question, timeoutMs: openMs }, openMs)
  if (typeof error === 'string') throw new HyphaError('file-failed', `The database of ${app} can't be opened: ${error}`)
}

/** Removes the app's database, whatever it does at the moment. */
export async function removeDatabase(helper: HelperClient, app: string): Promise<void> {
  const { error } = await helper.request({ op: 'remove-database', app }, removeMs)
  if (typeof error === 'string')
    throw new HyphaError('file-failed', `The database of ${app} can't be removed: ${error}`)
}
