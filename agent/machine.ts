import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import { readNodeFile } from './home.ts'
import { createDrivers, type DriverPorts, type Drivers } from './host/drivers/drivers.ts'
import { openVitals, type VitalReader } from './host/drivers/vitals.ts'
import { connectHelper, type HelperClient } from './host/helper-client.ts'
import { type BrokerBinding, type NodeFile, sensorsOf } from './host/node-file.ts'
import type { OwnBroker } from './link/own-broker.ts'
import { ProcessTransport, transpiler } from './sandbox/process-transport.ts'
import type { CellTransport } from './sandbox/transport.ts'

/** What is bound to this machine by its owner's file. */
export interface Machine {
  readonly nodeFile: NodeFile
  readonly drivers: Drivers
  readonly vitals: VitalReader
  /** Starts a process for modules without a core form; null where the file doesn't allow it or jco isn't installed. */
  readonly componentProcess: (() => CellTransport) | null
  close(): void
}

const readyMs = 10_000

/** Reads the node's file and makes ready what it binds. Throws `node-file-invalid`, `helper-unreachable`. */
export async function openMachine(home: string, node: string, log: Log): Promise<Machine> {
  const nodeFile = readNodeFile(home)
  const socket = process.env.HYPHA_HELPER
  const helper = socket === undefined ? null : connectHelper(socket)
  const broker = await openBroker(nodeFile, home, node, log)
  const ports: DriverPorts = {
    home,
    clock: systemClock,
    helper,
    subscribe: broker && ((topic, take) => broker.subscribe(topic, take)),
    note: (text) => log.warn(text),
  }
  const drivers = createDrivers(nodeFile, ports)
  const vitals = openVitals(nodeFile, ports)
  return {
    nodeFile,
    drivers,
    vitals,
    componentProcess: await componentProcesses(nodeFile, helper, log),
    close() {
      drivers.close()
      vitals.close()
      broker?.close()
      helper?.stop()
    },
  }
}

async function componentProcesses(
  { components }: NodeFile,
  helper: HelperClient | null,
  log: Log,
): Promise<Machine['componentProcess']> {
  if (!components || helper === null) return null
  const { ready } = await helper.request({ op: 'components-ready' }, readyMs)
  if (ready === true) {
    const transpile = transpiler(() => helper.open('transpile'))
    return () => new ProcessTransport(helper.open('run'), transpile)
  }
  log.warn(
    'agent.toml allows components, and @bytecodealliance/jco-transpile is not installed beside the agent: none run',
  )
  return null
}

/** Where a sensor needs it, so that other nodes spend nothing on it. */
async function openBroker(nodeFile: NodeFile, home: string, node: string, log: Log): Promise<OwnBroker | null> {
  const { mqtt } = nodeFile
  if (mqtt === null || !sensorsOf(nodeFile).some(({ driver }) => driver === 'mqtt')) return null
  const { OwnBroker } = await import('./link/own-broker.ts')
  return new OwnBroker({
    ...mqtt,
    clientId: `hypha-${node}`,
    password: ownersFile(mqtt, 'passwordFile', home)?.trim() ?? null,
    ca: ownersFile(mqtt, 'caFile', home),
    note: (text) => log.warn(text),
  })
}

function ownersFile(binding: BrokerBinding, key: 'passwordFile' | 'caFile', home: string): string | null {
  const name = binding[key]
  if (name === null) return null
  const path = resolve(home, name)
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new HyphaError('node-file-invalid', `mqtt: ${path} can't be read: ${(cause as Error).message}`, {
      where: path,
      cause,
    })
  }
}
