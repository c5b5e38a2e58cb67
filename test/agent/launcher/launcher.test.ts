import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../support/fleet.ts'

// The launcher with a shell in place of Node, and agents of a few lines.

const launcher = resolve(import.meta.dirname, '../../../agent/launcher/hypha-agent-start.sh')
const [old, fresh, older] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]

let home: string
let child: ChildProcess
let said: string
const path = (name: string) => join(home, name)
const agent = (name: string) => join(home, 'agent', name)
const read = (name: string) => (existsSync(agent(name)) ? readFileSync(agent(name), 'utf8').trim() : null)
const log = () =>
  existsSync(path('log'))
    ? readFileSync(path('log'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.trim())
    : []
const put = (name: string, text: string) => writeFileSync(agent(name), `${text}\n`)

/** An agent: writes down that it starts, and with which words in `trial`, then does what it is told. H is its folder. */
function slot(digest: string, script: string): void {
  mkdirSync(agent(`slots/${digest}`), { recursive: true })
  const begin = `H=$3; echo "$(printf %.1s "$HYPHA_AGENT_SLOT") $1 $2 $(cat "$H/agent/trial" 2>/dev/null | cut -d' ' -f2)" >>"$H/log"`
  writeFileSync(agent(`slots/${digest}/main.js`), `${begin}\n${script}\n`)
}

/** Runs for as long as a real one, and gives its signs of life. */
const lives = `trap 'echo ended >>"$H/log"; exit 0' TERM; while :; do date +%N >"$H/run/alive"; sleep 0.1; done`

function start(env: Record<string, string> = { INVOCATION_ID: 'unit' }): void {
  const { INVOCATION_ID: _, ...clean } = process.env
  child = spawn('/bin/sh', [launcher, '/bin/sh', home], {
    env: { ...clean, HYPHA_WATCHDOG_S: '2', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
}
const ended = async () => ((child.exitCode ?? (await once(child, 'exit'))[0]) as number | null) ?? -1
const started = (line: string) => eventually(`an agent that says "${line}"`, () => log().includes(line) || undefined)

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hypha-launcher-'))
  mkdirSync(path('run'))
  mkdirSync(path('agent'))
  writeFileSync(path('identity'), '')
  slot(old, lives)
  put('current', old)
})
afterEach(async () => {
  if (child.exitCode === null) {
    child.kill('SIGTERM')
    await ended()
  }
  rmSync(home, { recursive: true, force: true })
})

describe('the launcher', () => {
  it('starts what is current, ends it when it is told to end, and ends with its exit code', async () => {
    start()
    await started('a run --home')
    child.kill('SIGTERM')
    expect(await ended()).toBe(0)
    expect(log()).toEqual(['a run --home', 'ended'])
  })

  it('ends with the exit code of an agent that fails, for systemd to decide', async () => {
    slot(old, 'exit 4')
    start()
    expect(await ended()).toBe(4)
    expect(log()).toEqual(['a run --home'])
  })

  it('starts it again by itself where there is no systemd', async () => {
    slot(old, 'exit 4')
    start({})
    await eventually('it is started again', () => log().length >= 2 || undefined)
    child.kill('SIGTERM')
    await ended()
    expect(said).toContain('started again in 1 s')
  })

  it('ends with an agent that has left its fleet', async () => {
    slot(old, 'rm "$H/identity"; exit 0')
    start({})
    expect(await ended()).toBe(0)
  })

  it('starts what is on trial, which is current from then on when it says so', async () => {
    slot(fresh, `echo ${fresh} >"$H/agent/current"; rm "$H/agent/trial"; ${lives}`)
    put('trial', `${fresh} 2`)
    start()
    await eventually('it is confirmed', () => read('current') === fresh || undefined)
    // Counted before it was started.
    expect(log()).toEqual(['b run --home 1'])
    child.kill('SIGTERM')
    await ended()
    expect([read('trial'), read('reverted')]).toEqual([null, null])
  })

  it('tries at once what an agent asks for with exit code 75', async () => {
    slot(old, `echo "${fresh} 2" >"$H/agent/trial"; exit 75`)
    slot(fresh, lives)
    start()
    await started('b run --home 1')
    expect(log()).toEqual(['a run --home', 'b run --home 1'])
  })

  it('goes back from one that crashes, after as many tries as it has, and says why', async () => {
    slot(fresh, 'exit 3')
    put('trial', `${fresh} 2`)
    start()
    await started('a run --home')
    expect(log()).toEqual(['b run --home 1', 'b run --home 0', 'a run --home'])
    expect([read('trial'), read('current')]).toEqual([null, old])
    expect(read('reverted')).toBe(`${fresh} trial-died The new agent ended with exit code 3`)
    expect(said).toContain('goes back to the program before')
  })

  it('kills one that hangs, with what it has started, and goes back', async () => {
    slot(fresh, `sh -c 'echo $$ >"$0/helper"; while :; do sleep 0.1; done' "$H" & while :; do sleep 0.1; done`)
    put('trial', `${fresh} 1`)
    start()
    await started('a run --home')
    expect(read('reverted')).toContain(`${fresh} trial-died The new agent was killed: it gave no sign of life`)
    const helper = Number(readFileSync(path('helper'), 'utf8'))
    await eventually('its helper is gone', () => !existsSync(`/proc/${helper}/task`) || undefined)
  })

  it('kills what is current, too, when it hangs', async () => {
    slot(old, 'while :; do sleep 0.1; done')
    start()
    expect(await ended()).toBe(137)
  })

  it('does not count a try that was ended from outside', async () => {
    slot(fresh, lives)
    put('trial', `${fresh} 2`)
    start()
    await started('b run --home 1')
    child.kill('SIGTERM')
    expect(await ended()).toBe(0)
    expect(read('trial')).toBe(`${fresh} 2`)
  })

  it('counts a try during which it was killed itself, as by a power cut', async () => {
    slot(fresh, `${lives.replace('while :', 'n=0; while [ $((n=n+1)) -lt 20 ]')}`)
    put('trial', `${fresh} 1`)
    start()
    await started('b run --home 0')
    child.kill('SIGKILL')
    await once(child, 'exit')
    start()
    await started('a run --home')
    expect(read('reverted')).toBe(`${fresh} trial-died The new agent was tried as often as it may be`)
  })

  it('starts the one before where the current one is gone, and ends where there is none', async () => {
    slot(older, lives)
    put('previous', older)
    rmSync(agent(`slots/${old}`), { recursive: true })
    start()
    await started('c run --home')
    child.kill('SIGTERM')
    await ended()
    rmSync(agent('previous'))
    start()
    expect(await ended()).toBe(78)
    expect(said).toContain('there is no program')
  })

  it.each([
    ['names a slot that is not there', `${fresh} 2`, 'is not there'],
    ['has no number', fresh, 'was tried as often as it may be'],
    ['is garbage', '\u0001\u0002 $(reboot) `x`', null],
    ['is empty', '', null],
  ])('starts what is current where the trial %s', async (_, trial, words) => {
    if (trial === fresh) slot(fresh, lives)
    put('trial', trial)
    start()
    await started('a run --home')
    expect(read('trial') || null).toBeNull()
    if (words !== null) expect(read('reverted')).toContain(words)
  })
})
