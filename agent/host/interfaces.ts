import { askedFunctions } from './asked.ts'
import { clockFunctions } from './clock.ts'
import { configFunctions } from './config.ts'
import type { HostContext, HostFunctions } from './host.ts'
import { kvFunctions } from './kv.ts'
import { linksFunctions } from './links.ts'
import { logFunctions } from './log.ts'
import { messagesFunctions } from './messages.ts'
import { telemetryFunctions } from './telemetry.ts'

type Factory = (context: HostContext, kv: Map<string, Uint8Array>) => HostFunctions

const factories: ReadonlyMap<string, Factory> = new Map<string, Factory>([
  ['hypha:host/log@0.1.0', logFunctions],
  ['hypha:host/clock@0.1.0', clockFunctions],
  ['hypha:host/config@0.1.0', configFunctions],
  ['hypha:host/telemetry@0.1.0', telemetryFunctions],
  ['hypha:host/kv@0.1.0', kvFunctions],
  ['hypha:host/messages@0.1.0', messagesFunctions],
  ['hypha:host/links@0.1.0', linksFunctions],
  ['hypha:host/sensor@0.1.0', (context) => askedFunctions(context, 'sensor')],
  ['hypha:host/actuator@0.1.0', (context) => askedFunctions(context, 'actuator')],
  ['hypha:host/http@0.1.0', (context) => askedFunctions(context, 'http')],
  ['hypha:host/sql@0.1.0', (context) => askedFunctions(context, 'sql')],
])

/** The functions of a host interface for one instance; null where there is no such interface. */
export function hostFunctions(name: string, context: HostContext, kv: Map<string, Uint8Array>): HostFunctions | null {
  return factories.get(name)?.(context, kv) ?? null
}
