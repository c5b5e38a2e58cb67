import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './processes.ts'

// One device runs short of memory: what isn't bound to it climbs to the edge, and comes home when it has enough again.

const mebibyte = 1_048_576
const scarce = 8 * mebibyte
const plenty = 512 * mebibyte

/** In fleet.toml: what has climbed comes home within seconds, so that a demo can show it. */
export const shortHolds = '\n[escalation]\nvital-hold = "8s"\ncalm = "2s"\nsettle = "2s"\n'

// Not a name that begins as that of the agent's folder: Node's permissions would take the one for the other.
const fileIn = (folder: string): string => join(folder, 'free-on-pi-1')

function setFree(folder: string, bytes: number): void {
  // There is no moment at which it is empty.
  writeFileSync(`${fileIn(folder)}.new`, `${bytes}\n`)
  renameSync(`${fileIn(folder)}.new`, fileIn(folder))
}

/** For the device's agent.toml: its free memory is what stands in a file, which begins with plenty. */
export function vitalsOf(folder: string): string {
  setFree(folder, plenty)
  const own = `[vital.free-memory]\ndriver = "sysfs"\npath = ${JSON.stringify(fileIn(folder))}\nmin = "64MiB"\nclear = "128MiB"\nfor = "1s"\n`
  return `${own}\n[vital.cpu]\nwatch = false\n`
}

interface Parts {
  readonly folder: string
  json<T>(args: readonly string[]): Promise<T>
  hypha(args: readonly string[]): Promise<string>
  say(text: string): void
}

/** Plays it once; resolves when the module is home again. */
export async function showClimb({ folder, json, hypha, say }: Parts): Promise<void> {
  const isOn = (wanted: (node: string) => boolean) =>
    eventually(
      'frost-alarm to be elsewhere',
      async () => {
        const { where } = await json<{
          where: { module: string; home: string | null; node: string; status: string }[]
        }>(['app', 'greenhouse'])
        const found = where.find(({ module, home }) => module === 'frost-alarm' && home === 'pi-1')
        return found !== undefined && found.status === 'running' && wanted(found.node) ? found.node : undefined
      },
      120_000,
    )
  say('pi-1 runs short of memory: it has 8 MiB left, below the 64 MiB in its agent.toml')
  setFree(folder, scarce)
  const edge = await isOn((node) => node !== 'pi-1')
  say(
    `frost-alarm of pi-1 has climbed to ${edge}, with what it keeps; its sampler stays: hypha why frost-alarm --of pi-1`,
  )
  for (const line of (await hypha(['why', 'frost-alarm', '--of', 'pi-1'])).split('\n').slice(1, 2)) say(line)
  setFree(folder, plenty)
  await isOn((node) => node === 'pi-1')
  say('pi-1 has enough memory again, and frost-alarm has come home')
}
