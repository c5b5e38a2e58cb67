#!/usr/bin/env node
import { execPath, stdout } from 'node:process'
import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'
import { endWithError, parseCommandLine } from '@hypha/core/platform/command-line.ts'
import { agentHome } from './home.ts'

const help = `hypha-agent: runs modules on this machine for a Hypha fleet

  hypha-agent join URL          join the fleet of an invitation, which
                                hypha invite NAME makes
  hypha-agent join URL --again  where it has joined: new keys, its data stays
  hypha-agent run               connect, and run what the fleet's gateway asks
                                for, until Ctrl-C
  hypha-agent show              who this node is, and where it belongs
  hypha-agent leave --yes       forget the fleet, and delete all that it holds

Options:
  --home DIR     the agent's folder (default: $HYPHA_AGENT_HOME, else
                 ~/.hypha-agent)
  --serial PORT  with run: boards on this serial port are children of this
                 node; '/dev/ttyUSB*' names several
  --json         results and errors as JSON; with run, one object a log line
  --version      print the version
  --help         this text

Example:
  $ hypha-agent join 'hypha://10.0.0.2:8443/my-fleet/pi-7?token=…'
  $ hypha-agent run

Sensors, actuators and network access are bound in agent.toml in the agent's
folder; docs/agent-toml.md of Hypha has every key.
Exit codes: 0 done, 2 wrong call, 4 the operator must act, 5 try again later;
docs/errors.md has them all.
`

const options = {
  home: { type: 'string' },
  json: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  serial: { type: 'string', multiple: true },
  again: { type: 'boolean', default: false },
  // For a parent process: the agent ends when the pipe to its standard input does, however the parent dies.
  'until-stdin-ends': { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

async function main(): Promise<void> {
  const { values, positionals } = parseCommandLine('hypha-agent', options)
  const [command, ...rest] = positionals
  if (values.version) {
    const { agentVersion } = await import('./inventory.ts')
    stdout.write(`${agentVersion}\n`)
    return
  }
  if (values.help || command === undefined) {
    stdout.write(help)
    return
  }
  const home = agentHome(values.home)
  const print = (result: object, text: string) =>
    stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${text}\n`)
  switch (command) {
    case 'join': {
      if (rest.length !== 1)
        throw new HyphaError('argument-invalid', 'join takes one argument: the join URL, in quotes', {
          mend: 'See hypha-agent --help.',
        })
      const { joinFleet } = await import('./enrolment.ts')
      const identity = await joinFleet(home, rest[0]!, { again: values.again })
      const { fleet, node, tier } = identity
      print(
        { fleet, node, tier, home },
        `${node} has joined ${fleet} as ${tier}. Its folder is ${home}.\nNext: hypha-agent run${values.home === undefined ? '' : ` --home ${home}`}`,
      )
      return
    }
    case 'run': {
      const { run } = await import('./run.ts')
      await run({
        home,
        json: values.json,
        untilStdinEnds: values['until-stdin-ends'],
        serial: values.serial ?? [],
        program: import.meta.filename,
        execPath,
      })
      return
    }
    case 'show': {
      const { describeIdentity } = await import('./enrolment.ts')
      const shown = describeIdentity(home)
      print(
        shown,
        Object.entries(shown)
          .map(([key, value]) => `${key.padEnd(12)} ${value}`)
          .join('\n'),
      )
      return
    }
    case 'leave': {
      if (!values.yes) {
        throw new HyphaError('argument-invalid', `leave deletes the node's keys, journal and contents in ${home}`, {
          mend: 'Say hypha-agent leave --yes, and remove the node on the gateway: hypha node rm NAME.',
        })
      }
      const { leaveFleet } = await import('./enrolment.ts')
      const { fleet, node } = leaveFleet(home)
      print({ fleet, node }, `${node} has forgotten ${fleet}; everything that it held is deleted.`)
      return
    }
    default: {
      const meant = nearest(command, ['join', 'run', 'show', 'leave'])
      const did = meant === null ? '' : ` (Did you mean ${meant}?)`
      throw new HyphaError('argument-invalid', `Unknown command '${command}'${did}`, {
        mend: 'See hypha-agent --help.',
      })
    }
  }
}

try {
  await main()
} catch (thrown) {
  endWithError('hypha-agent', thrown)
}
