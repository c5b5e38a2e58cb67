import { toUtf8 } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type CallOutcome, failed, type OutgoingCall } from '../linked-calls.ts'
import type { RunnableSection } from '../turns.ts'
import type { Ask } from './cell-worker.ts'
import { digestOf } from './digests.ts'
import type { SandboxPorts } from './ports.ts'
import type { LinkRequest } from './protocol.ts'
import type { CellSpec } from './turn-runner.ts'

/** How long a call may take where its link says nothing else. */
const defaultDeadlineMs = 5_000
/** The module is told of a failure before its turn is over. */
const reserveMs = 50

/**
 * What answers the modules of a cell: the agent's drivers, and for links whoever serves them. What it answers comes at once or later; time that a module waits is time of its turn.
 */
export function asksOf(section: RunnableSection, spec: CellSpec, ports: SandboxPorts) {
  return (index: number, ask: Ask, leftMs: number, path: readonly string[]): unknown => {
    const { key } = spec.instances[index]!
    if (ask.kind === 'link') return call(section, spec, ask, { ports, leftMs, path })
    const { interface: name, func, args } = ask
    if (name === 'links') return ports.calls?.devices(key.app) ?? (key.home === null ? [] : [key.home])
    const { httpHosts } = section.modules.get(key.module)!
    return ports.call({ instance: key, interface: name, func, args, key: ask.key, leftMs, httpHosts })
  }
}

interface Around {
  readonly ports: SandboxPorts
  readonly leftMs: number
  readonly path: readonly string[]
}

function call(
  section: RunnableSection,
  spec: CellSpec,
  { instance, interface: name, func, args, home, key }: LinkRequest,
  { ports, leftMs, path }: Around,
): Promise<CallOutcome> | CallOutcome {
  const { module, home: own } = spec.instances[instance]!.key
  const { world, links } = section.modules.get(module)!
  const type = world.imports.find((each) => each.name === name)?.funcs.find((each) => each.name === func)
  const provider = section.instances.find((each) => each.module === module && each.home === own)?.links.get(name)
  if (type === undefined || provider === undefined || provider.kind === 'host') {
    throw new HyphaError('internal', `${module} calls ${name}#${func}, which is no link of it`)
  }
  if (ports.calls == null) return failed('link-not-listed', 'this agent has no links to other cells')
  const { policy, deadlineMs } = links?.find((hint) => hint.interface === name) ?? { policy: null, deadlineMs: null }
  const inAllMs = leftMs - Math.min(reserveMs, leftMs / 4)
  const tryMs = Math.min(inAllMs, deadlineMs ?? defaultDeadlineMs)
  const outgoing: OutgoingCall = {
    id: nodeCrypto.sha256(toUtf8(`${section.app}/${key}`)).slice(0, 16),
    app: section.app,
    interface: name,
    digest: digestOf(name, type),
    func,
    args,
    home,
    path,
    caller: { module, home: own },
    callee:
      provider.kind === 'device'
        ? { node: null, module: provider.module }
        : { node: provider.node, end: { module: provider.module, home: provider.home } },
    isolated: section.isolated ?? new Set(),
    retry: policy === 'retry',
    tryMs,
    leftMs: inAllMs,
  }
  return ports.calls.make(outgoing)
}
