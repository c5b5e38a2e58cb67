import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { checkId } from '@hypha/core/wire/ids.ts'
import type { Command } from 'commander'
import { createHome, ownHosts, refuseUsedHome } from '../../../home.ts'
import { defineCommand, wholeNumber } from '../cli.ts'
import { askNewPassphrase } from '../prompt.ts'
import { listing } from '../table.ts'

interface InitOptions {
  host?: string[]
  httpPort: string
  mqttPort: string
}

export function registerInit(program: Command): void {
  defineCommand<[string], InitOptions>(
    program,
    {
      usage: 'init <fleet>',
      summary: 'make a new fleet: its keys, its certificate authority, its folder',
      options: [
        [
          '--host <host...>',
          'names or addresses that nodes reach the gateway by, the first for join URLs (default: those of this machine)',
        ],
        ['--http-port <port>', 'port of the HTTP API, and for joining', '8443'],
        ['--mqtt-port <port>', 'port of the MQTT broker', '8883'],
      ],
      examples: ['init my-fleet', 'init my-fleet --host gateway.example.org 10.0.0.2'],
    },
    async (cli, options, fleet) => {
      checkId('fleet', fleet)
      const file = {
        fleet,
        hosts: options.host ?? ownHosts(),
        httpPort: wholeNumber(options.httpPort, '--http-port', 1, 65_535),
        mqttPort: wholeNumber(options.mqttPort, '--mqtt-port', 1, 65_535),
      }
      // Before anybody thinks of a passphrase for nothing.
      refuseUsedHome(cli.home)
      const passphrase = await askNewPassphrase('Passphrase for the root and release keys: ')
      createHome(cli.home, file)
      const { createFleet } = await import('../../../keys/fleet.ts')
      const { createAuthority } = await import('../../../enrol/ca.ts')
      const [created, authority] = await Promise.all([
        createFleet({
          fleet,
          folder: cli.home.keys,
          protection: { root: { passphrase }, release: { passphrase }, gateway: { unsafePlain: true } },
          nowMs: Date.now(),
        }),
        createAuthority(fleet),
      ])
      writeFileSync(join(cli.home.roots, '1.root'), created.root)
      writeFileSync(join(cli.home.gateway, 'ca.pem'), authority.certificate)
      writeFileSync(join(cli.home.gateway, 'ca.key'), await authority.exportKey(), { mode: 0o600 })

      const rootDigest = toHex(nodeCrypto.sha256(created.root))
      const result = {
        fleet,
        home: cli.home.folder,
        ...created.keyFiles,
        ca: authority.fingerprint,
        root: rootDigest,
        host: file.hosts[0],
      }
      cli.print(result, () =>
        [
          `Fleet ${fleet} is made.\n`,
          listing([
            ['folder', cli.home.folder],
            ['root key', created.keyFiles.root],
            ['release key', created.keyFiles.release],
            ['CA', authority.fingerprint],
            ['root metadata', rootDigest],
            ['join URLs name', `${file.hosts[0]} (fleet.toml changes it)`],
          ]),
          '\nKeep safe: copy both key files to a medium that stays offline, and remember the',
          'passphrase. Whoever has them decides what this fleet runs; without the root key,',
          'keys that were lost or stolen can never be replaced.',
          '\nNext: hypha gateway',
        ].join('\n'),
      )
    },
  )
}
