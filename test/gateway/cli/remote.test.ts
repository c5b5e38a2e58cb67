import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { onTls } from '../api/gateway.ts'
import { fleetOnSocket, jsonOf, runHypha, temporaryFolder } from './support.ts'

test('a token speaks to the gateway over TLS from a machine without a home, and may do what its role says', async () => {
  const { folder, gateway } = await fleetOnSocket()
  const { port, ca } = await onTls(gateway)
  const saved = join(folder, 'saved.json')
  const { token } = await jsonOf(folder, ['token', 'create', 'ci', '--role', 'viewer', '--save', saved])
  const file = join(temporaryFolder(), 'ci.json')
  writeFileSync(file, JSON.stringify({ host: '127.0.0.1', port, token, ca }))

  const nodes = await jsonOf(temporaryFolder(), ['nodes', '--credentials', file])
  expect(nodes).toEqual(await jsonOf(folder, ['nodes']))
  const refused = await runHypha(temporaryFolder(), ['node', 'rm', 'pi-7'], { env: { HYPHA_CREDENTIALS: file } })
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/needs the role operator or admin; the token ci has the role viewer \[not-allowed\]/)

  writeFileSync(file, JSON.stringify({ host: '127.0.0.1', port, token: 'guess', ca }))
  const unknown = await runHypha(temporaryFolder(), ['nodes', '--credentials', file])
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('[not-signed-in]')])
  const other = (await fleetOnSocket()).gateway.authority.certificate
  writeFileSync(file, JSON.stringify({ host: '127.0.0.1', port, token, ca: other }))
  const stranger = await runHypha(temporaryFolder(), ['nodes', '--credentials', file])
  expect([stranger.code, stranger.stderr]).toEqual([5, expect.stringContaining('[gateway-unreachable]')])
})
