import { HyphaError } from '../errors.ts'
import { bytes, text } from './codec.ts'

export const idPattern = /^[a-z0-9][a-z0-9-]{0,39}$/

/** Names of fleets, nodes, apps and modules. [P 2.5] */
export const id = text(40, idPattern)

/** What a name is made of, for people. */
export const idForm = '1 to 40 characters from a-z, 0-9 and the hyphen, beginning with a letter or digit'

/** `what` says what the name is for: "node", "app". Throws `id-invalid`. */
export function checkId(what: string, name: string): string {
  if (!idPattern.test(name))
    throw new HyphaError('id-invalid', `"${name}" can't be the name of ${/^[aeiou]/.test(what) ? 'an' : 'a'} ${what}`, {
      mend: `Choose ${idForm}.`,
    })
  return name
}

/** A SHA-256 digest. */
export const digest = bytes({ exact: 32 })

/** The random number that is made with each journal, so that a wiped or cloned card can't be mistaken for another. */
export const incarnation = bytes({ exact: 8 })

/** A versioned interface name: `hypha:host/sensor@0.1.0`. */
export const interfacePattern = /^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*\/[a-z][a-z0-9-]*(@\d+\.\d+\.\d+)?$/
export const interfaceName = text(128, interfacePattern)

/** A metric of a module's telemetry. */
export const metricName = text(64, /^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$/)

/** A module's instance, as people and logs name it: `greenhouse/sampler@pi-7`, without a home `greenhouse/ledger`. */
export function instanceName(instance: { app: string; module: string; home: string | null }): string {
  return `${instance.app}/${instance.module}${instance.home === null ? '' : `@${instance.home}`}`
}

/** The app that is the agent's own program: nodes install it themselves, and nobody else may have its name. */
export const agentApp = 'hypha-agent'

/** The app that is the firmware of boards. */
export const firmwareApp = 'hypha-firmware'

/** Whether an app is a program of Hypha itself. [P 6.8] */
export const isBuiltIn = (app: string): boolean => app === agentApp || app === firmwareApp
