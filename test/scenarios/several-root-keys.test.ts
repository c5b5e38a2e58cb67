import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CommandResult, hyphaProgram, runProgram } from '../../examples/demo/processes.ts'
import { Fleet } from '../support/fleet.ts'

// Three people hold a root key each, on machines of their own, and two of them have to sign. A draft goes from hand to hand as a file.

interface Change {
  version: number
  takenBy: string | null
  draft: string | null
  signatures: { version: number; threshold: number; signed: string[]; missing: string[] }[]
}

let fleet: Fleet
const machine = (name: string) => join(fleet.folder, name)
const keyOf = (name: string) => join(machine(name), 'root.key')

/** A command on a machine that has no fleet's folder and no gateway. */
const at = (name: string, args: readonly string[]): Promise<CommandResult> =>
  runProgram(hyphaProgram, [...args, '--json'], { ...fleet.env, HYPHA_HOME: join(machine(name), 'home') })

async function jsonAt<T>(name: string, args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await at(name, args)
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as T
}

beforeAll(async () => {
  fleet = await Fleet.start()
  for (const name of ['anna', 'ben', 'carla']) mkdirSync(machine(name), { recursive: true })
  // Anna's is the fleet's first one; she takes it home.
  copyFileSync(join(fleet.folder, 'hypha/keys/root.key'), keyOf('anna'))
  for (const name of ['ben', 'carla'])
    await jsonAt(name, ['key', 'new', 'root', '--fleet', 'test', '--out', keyOf(name)])
  await fleet.hypha(['key', 'add', 'root', keyOf('ben')])
  await fleet.hypha(['key', 'add', 'root', keyOf('carla'), '--threshold', '2', '--key', keyOf('anna')])
  rmSync(join(fleet.folder, 'hypha/keys/root.key'))
})
afterAll(() => fleet.stop())

test('Two of three keys must sign, and one alone changes nothing', async () => {
  expect(await fleet.json(['root'])).toMatchObject({ version: 3, roles: { root: { threshold: 2 } } })
  const drafted = await fleet.json<Change>(['key', 'rotate', 'release', '--key', keyOf('anna')])
  expect(drafted).toMatchObject({ version: 4, takenBy: null })
  expect(drafted.signatures).toMatchObject([{ threshold: 2, signed: [expect.any(String)] }])
  expect(drafted.signatures[0]!.missing).toHaveLength(2)
  expect(await fleet.hypha(['root'])).toContain('signed 1 of 2')
  const early = await fleet.tryHypha(['root', 'submit', '--json'])
  expect(JSON.parse(early.stderr.trim())).toMatchObject({ error: { code: 'threshold-not-met' } })
  const second = await fleet.tryHypha(['root', 'renew', '--key', keyOf('anna')])
  expect(second.stderr).toMatch(/A draft of version 4 waits: signed 1 of 2/)
  expect(await fleet.json(['root'])).toMatchObject({ version: 3, draft: { version: 4 } })
})

test('The second holder looks at the draft on a machine of his own, signs it, and brings it back', async () => {
  const carried = join(machine('ben'), 'next.root')
  copyFileSync(join(fleet.folder, 'hypha/root/next.root'), carried)
  const seen = await runProgram(hyphaProgram, ['root', 'show', carried], { ...fleet.env, HYPHA_HOME: machine('ben') })
  expect(seen.stdout).toMatch(/A draft, signed 1 of 2:\n {2}release: key [0-9a-f]{16} replaces [0-9a-f]{16}/)
  const stranger = await at('ben', ['root', 'sign', carried, '--key', join(fleet.folder, 'hypha/keys/release.key')])
  expect(JSON.parse(stranger.stderr.trim())).toMatchObject({ error: { code: 'argument-invalid' } })
  const signed = await jsonAt<Change>('ben', ['root', 'sign', carried, '--key', keyOf('ben')])
  expect(signed).toMatchObject({ version: 4, takenBy: null, draft: carried })
  expect(await fleet.json(['root', 'submit', carried])).toMatchObject({ version: 4, takenBy: 'gateway' })
  const shown = await fleet.json<{ role: string; path: string | null; named: boolean }[]>(['key', 'show'])
  expect(shown.find(({ role, named }) => role === 'release' && named)!.path).toBe(
    join(fleet.folder, 'hypha/keys/release.key'),
  )
})

test('A lost root key is replaced by the other two', async () => {
  rmSync(keyOf('carla'))
  const draft = join(fleet.folder, 'hypha/root/next.root')
  const { roles } = await fleet.json<{ roles: { root: { keys: { id: string }[] } } }>(['root'])
  const lost = roles.root.keys[2]!.id
  const made = await jsonAt<{ path: string }>('carla', [
    'key',
    'new',
    'root',
    '--fleet',
    'test',
    '--out',
    keyOf('carla'),
  ])
  const drafted = await fleet.json<Change>([
    'key',
    'rotate',
    'root',
    '--old',
    lost,
    '--new',
    made.path,
    '--key',
    keyOf('anna'),
  ])
  // Her new key has signed what names it first; of the version before, one signature is missing.
  expect(drafted.signatures).toMatchObject([
    { version: 4, signed: { length: 1 } },
    { version: 5, signed: { length: 2 }, threshold: 2 },
  ])
  expect(await fleet.json(['root', 'sign', draft, '--key', keyOf('ben')])).toMatchObject({
    version: 5,
    takenBy: 'gateway',
  })
  expect(existsSync(draft)).toBe(false)
})
