import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { decodeCbor, encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { signMany, signOne } from '@hypha/core/trust/cose.ts'
import { directive, type Section } from '@hypha/core/trust/directive.ts'
import { type Row, words } from '../row.ts'
import type { Victim } from '../victim.ts'

// What binds sensors and actuators to commands is a file on the node, and nothing that is sent to it, whoever has signed that.

const rows: Omit<Row<Victim>, 'at'>[] = [
  {
    name: 'side-door/command-in-directive',
    sent: 'a command for a sensor, in a directive',
    code: words.passedOver,
    threats: ['THREAT.KEY.EXPOSURE'],
    run: (victim) => {
      const signed = victim.forge.spyware([victim.forge.release])
      const section = victim.forge.section(signed)
      const asked = victim.next({ sections: [victim.section(), section] })
      const item = decodeCbor(directive.encode(asked), 'directive') as Map<number, unknown>
      const payload = encodeCbor(withCommands(victim, item))
      return bindsNothing(victim, section, signOne(payload, 'directive', victim.forge.gateway), signed.envelope)
    },
  },
  {
    name: 'side-door/command-in-release',
    sent: 'a command for a sensor, in a signed release',
    code: words.passedOver,
    run: (victim) => {
      const signed = victim.forge.spyware([victim.forge.release])
      const item = decodeCbor(signed.payload, 'release') as Map<number, unknown>
      const payload = encodeCbor(withCommands(victim, item))
      const envelope = signMany(payload, 'release', [victim.forge.release])
      const section = victim.forge.section({ ...signed, payload, envelope })
      const asked = victim.next({ sections: [victim.section(), section] })
      return bindsNothing(victim, section, victim.forge.signDirective(asked, victim.gatewayKey), envelope)
    },
  },
]

const marker = (victim: Victim): string => join(victim.folder, 'owned')

/** Of a release's module: its world is written in a way of its own. */
const [worldKey, specKey] = [4, 7]

/** A command wherever one could be read: no message has a place for it, and what a message has no place for is passed over. */
function withCommands(victim: Victim, item: unknown, isWorld = false): unknown {
  if (isWorld) return item
  if (Array.isArray(item)) return item.map((each) => withCommands(victim, each))
  if (!(item instanceof Map)) return item
  const isModule = item.has(worldKey) && item.get(specKey) instanceof Map
  const inner = new Map<unknown, unknown>(
    [...item].map(([key, value]) => [key, withCommands(victim, value, isModule && key === worldKey)]),
  )
  // A dictionary is no record.
  if (![...inner.keys()].some((key) => typeof key === 'number')) return inner
  const argv = ['/bin/sh', '-c', `touch ${marker(victim)}`]
  return inner.set(99, new Map([['sensors', new Map([['door', new Map<string, unknown>([['argv', argv]])]])]]))
}

/** Whether it is followed as if the commands weren't in it: the node has no sensor or actuator but those of its own file, and nothing was started. */
async function bindsNothing(
  victim: Victim,
  section: Section,
  envelope: Uint8Array,
  release: Uint8Array,
): Promise<string | null> {
  victim.evil.sendDirective(envelope, [release, victim.forge.core])
  victim.version++
  const answer = await victim.passedOver(section)
  const { sensors, actuators } = victim.evil.state!.inventory
  return sensors.length + actuators.length === 0 && !existsSync(marker(victim)) ? answer : null
}

export const commandRows: readonly Row<Victim>[] = rows.map((row) => ({ ...row, at: 'node' }))
