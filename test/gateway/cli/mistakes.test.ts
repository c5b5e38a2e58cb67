import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { call } from '../api/calls.ts'
import { componentImporting, pushOf } from '../api/gateway.ts'
import { fleetOnSocket, runHypha, temporaryFolder } from './support.ts'

test('a command that does not exist ends with 2 and a suggestion', async () => {
  const { code, stdout, stderr } = await runHypha(temporaryFolder(), ['pusj'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/Unknown command 'pusj' \(Did you mean push\?\)/)
  expect(stderr).toMatch(/See hypha --help\./)
})

test.each([
  [['rollout', 'paus', 'greenhouse'], "Unknown command 'paus' (Did you mean pause?)", 'See hypha rollout --help.'],
  [['help', 'pus'], "Unknown command 'pus' (Did you mean push?)", 'See hypha --help.'],
  [['pusj', '--help'], "Unknown command 'pusj' (Did you mean push?)", 'See hypha --help.'],
  [['node', 'pi-7', 'pi-8'], "Too many arguments for 'show'. Expected 1 argument but got 2.", 'See hypha node --help.'],
])('hypha %j is a word that is misspelt, not one that its group takes', async (args, message, mend) => {
  const { code, stdout, stderr } = await runHypha(temporaryFolder(), [...args, '--json'])
  expect([code, stdout]).toEqual([2, ''])
  expect(JSON.parse(stderr).error).toMatchObject({ message, mend })
})

test('the help of a command may be asked for by a word before it', async () => {
  const home = temporaryFolder()
  const [before, after] = [
    await runHypha(home, ['help', 'node', 'label']),
    await runHypha(home, ['node', 'label', '-h']),
  ]
  expect(before).toEqual(after)
  expect(before.stdout).toMatch(/^Usage: hypha node label /)
})

test('a wrong option names the help of its command, and is JSON with --json', async () => {
  const { code, stderr } = await runHypha(temporaryFolder(), ['node', 'label', 'pi-7', '--remov', 'x', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr)).toEqual({
    error: {
      code: 'argument-invalid',
      message: "Unknown option '--remov' (Did you mean --remove?)",
      mend: 'See hypha node label --help.',
    },
  })
})

test('hypha alone shows its help and ends with 2, with --help it ends with 0', async () => {
  const home = temporaryFolder()
  const alone = await runHypha(home, [])
  expect([alone.code, alone.stdout]).toEqual([2, ''])
  expect(alone.stderr).toMatch(/^Usage: hypha /)
  const asked = await runHypha(home, ['push', '--help'])
  expect([asked.code, asked.stderr]).toEqual([0, ''])
  expect(asked.stdout).toMatch(/\$ hypha push/)
})

test('a gateway that does not run ends with 5 and the advice to start one', async () => {
  const { code, stderr } = await runHypha(temporaryFolder(), ['status'])
  expect(code).toBe(5)
  expect(stderr).toMatch(/gateway-unreachable/)
  expect(stderr).toMatch(/Start one with hypha gateway/)
})

test('a gateway that was killed, and left its socket behind, is one that does not run', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'gateway'))
  // Nobody listens on a plain file either.
  writeFileSync(join(folder, 'gateway', 'api.sock'), '')
  const { code, stderr } = await runHypha(folder, ['status'])
  expect(code).toBe(5)
  expect(stderr).toMatch(/No gateway runs on this machine for this home/)
})

test('what the gateway refuses comes through with its code, its advice and its exit code', async () => {
  const { folder } = await fleetOnSocket()
  const { code, stderr } = await runHypha(folder, ['node', 'pi-99', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr).error).toMatchObject({ code: 'not-found', mend: expect.stringContaining('hypha nodes') })
})

test.each([
  [['node', 'pi7'], 'Did you mean pi-7? List what there is: hypha nodes.'],
  [['what-if', '--without', 'pi7', '--app', 'greenhouse'], 'Did you mean pi-7? List what there is: hypha nodes.'],
  [['app', 'greenhous'], 'Did you mean greenhouse? List what there is: hypha apps.'],
  [['rollout', 'greenhous'], 'Did you mean greenhouse? List what there is: hypha apps.'],
  [['why', 'samper'], 'Did you mean sampler? See hypha apps, and hypha app APP.'],
  [['node', 'quite-another'], 'List what there is: hypha nodes.'],
])('hypha %j names nothing that there is, and is told what was probably meant', async (args, mend) => {
  const { folder, home } = await fleetOnSocket()
  const app = pushOf([{ name: 'sampler', component: await componentImporting('sensor') }])
  expect((await call({ socketPath: home.socket }, 'POST', '/v1/push', app)).status).toBe(200)
  const { code, stderr } = await runHypha(folder, [...args, '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr).error).toMatchObject({ code: 'not-found', mend })
})

test('a key of fleet.toml that is misspelt is not passed over', async () => {
  const folder = temporaryFolder()
  writeFileSync(
    join(folder, 'fleet.toml'),
    'fleet = "test"\nhosts = ["x"]\nhttp-port = 1\nmqtt-port = 2\nescalatoin = 1\n',
  )
  const { code, stderr } = await runHypha(folder, ['gateway'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/escalatoin is not known here: did you mean escalation\? \[home-malformed\]/)
})

test('a field that the gateway refuses is told by the name of its option, with what it takes', async () => {
  const { folder } = await fleetOnSocket()
  const refusal = async (...args: string[]) => JSON.parse((await runHypha(folder, [...args, '--json'])).stderr).error
  expect(await refusal('invite', 'pi-9', '--tier', 'moon')).toEqual({
    code: 'request-invalid',
    message: '--tier must be one of mcu, device, edge, cloud',
    mend: 'See hypha invite --help.',
  })
  expect((await refusal('invite', 'PI')).message).toBe(
    'node must be 1 to 40 characters from a-z, 0-9 and the hyphen, beginning with a letter or digit',
  )
  expect((await refusal('logs', '--level', 'loud')).message).toBe('--level must be one of debug, info, warn, error')
})

test.each([
  [['push', '--timeout', '5 minutes'], /--timeout should be a duration such as 30s/],
  [['rollback', 'greenhouse', 'two'], /The number should be a whole number/],
  [['invite', 'pi-9', '--for', '1w'], /--for should be a duration/],
  [['values', '-f', '--history', '1h'], /exclude each other/],
  [['bindgen', 'wit', '--lang', 'cobol'], /--lang should be assemblyscript or c/],
  [['config', 'set', 'greenhouse', 'token', 'hunter2', '--secret'], /stays in the history of the shell/],
])('hypha %j is refused before anything is done', async (args, message) => {
  const { code, stderr } = await runHypha(temporaryFolder(), args)
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
})

test('a folder without an app is named, and so is what makes one', async () => {
  const folder = temporaryFolder()
  const { code, stderr } = await runHypha(folder, ['build', folder])
  expect(code).toBe(2)
  expect(stderr).toMatch(/hypha new/)
})

test('credentials that are none are refused with the way to make them', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'ci.json')
  writeFileSync(file, '{"host":"x"}')
  const { code, stderr } = await runHypha(folder, ['nodes', '--credentials', file])
  expect(code).toBe(2)
  expect(stderr).toMatch(/hypha token create NAME --save FILE/)
})
