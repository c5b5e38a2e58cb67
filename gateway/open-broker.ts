import type { TLSSocket } from 'node:tls'
import { asHyphaError } from '@hypha/core/errors.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import { uplinkProtocol } from '@hypha/core/wire/messages/uplink.ts'
import { createBroker } from './broker/aedes-broker.ts'
import type { Broker } from './broker/broker.ts'
import { ticketKeysInFile } from './broker/ticket-keys.ts'
import { sizeForChildren } from './distribute/children-packet.ts'
import { transferSizes } from './distribute/chunks.ts'
import { refusalOf } from './enrolment.ts'
import type { FleetFile, HyphaHome } from './home.ts'
import type { Store } from './store/store.ts'

export interface BrokerParts {
  readonly home: HyphaHome
  readonly file: FleetFile
  readonly server: { readonly certificate: string; readonly key: string }
  readonly clientCas: string
  readonly store: Store
  readonly log: Log
  readonly uplink: (socket: TLSSocket) => void
}

/** The fleet's broker: who may connect is what the database says. `uplink` is given what speaks the protocol of sites instead of MQTT. */
export function openBroker({ home, file, server, clientCas, store, log, uplink }: BrokerParts): Promise<Broker> {
  const { fleet } = file
  return createBroker(
    {
      fleet,
      host: '::',
      port: file.mqttPort,
      tls: { key: server.key, certificate: server.certificate, ca: clientCas },
      ticketKeys: ticketKeysInFile(home.ticketKeys, (error) =>
        log.warn('TLS sessions can not be resumed over a restart', { cause: (error as Error).message }),
      ),
      other: { protocol: uplinkProtocol, onConnection: uplink },
      grantsOf: (name) => store.clients.get(name)?.grants ?? null,
      // A node that was removed may still come: to hear that it is to leave.
      admits: ({ kind, id, fingerprint }) => {
        if (kind === 'client') return store.clients.get(id)?.fingerprint === fingerprint
        const node = store.nodes.admission(id)
        if (node?.fingerprint !== fingerprint) return false
        const refused = refusalOf(id, node)
        return refused === null || `${refused.message} [${refused.code}]`
      },
      mayReceive: (node, digest) =>
        transferSizes(store.directives.get(node)?.directive).has(digest) ||
        sizeForChildren(node, digest, store) !== undefined,
      onDenied: ({ client, address, action, topic, why, more }) =>
        log.warn(`refused: ${why}`, { client: client?.id, address, action, topic, ...(more > 0 ? { more } : {}) }),
      onDropped: (client, count) =>
        log.warn('A client was away for too long: its oldest messages are dropped', { client, count }),
      onError: (error, client) => log.warn(asHyphaError(error).message, { client }),
    },
    store.broker,
  )
}
