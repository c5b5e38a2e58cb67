import type { Server as HttpsServer } from 'node:https'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { createLog, type Log } from '@hypha/core/platform/log.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { encodeNewest } from '@hypha/core/wire/messages/root-chain.ts'
import type { NodeState } from '@hypha/core/wire/messages/state.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { createApi, listenOnPort, listenOnSocket, refuseSecond } from './admin/api/server.ts'
import { startChores } from './chores.ts'
import { createPatchMaker } from './delta/maker.ts'
import { sizeForChildren } from './distribute/children-packet.ts'
import { createChunks } from './distribute/chunks.ts'
import type { Publish } from './distribute/directive-packet.ts'
import { createInputSender } from './distribute/inputs.ts'
import { createReleaseMessages } from './distribute/release-messages.ts'
import { startEdgeAgent } from './edge-agent.ts'
import { Authorities } from './enrol/authorities.ts'
import { createEnrolment, refusalOf } from './enrolment.ts'
import { nowMs } from './gateway-time.ts'
import { type FleetFile, type HyphaHome, readFleetFile } from './home.ts'
import { createIngest } from './ingest/ingest.ts'
import { createInstallables } from './install/installables.ts'
import { openBoxKeys } from './keys/box-keys.ts'
import { GatewayKey } from './keys/gateway-key.ts'
import { createNodeMessages, tellNodeProblems } from './node-messages.ts'
import { openBroker } from './open-broker.ts'
import { createOutlet } from './outlet.ts'
import { Roots } from './roots.ts'
import { callerByToken } from './services/access.ts'
import type { BoardSinks } from './services/boards.ts'
import { releasedAgent } from './services/released-agent.ts'
import { createGateway } from './services/services.ts'
import { World } from './services/world.ts'
import { openStore } from './store/store.ts'
import { createUplinks, type Uplinks } from './uplink/uplinks.ts'

export interface GatewayOptions {
  readonly home: HyphaHome
  /** Whether to start the gateway's own edge agent. */
  readonly edge: boolean
  /** One JSON object a log line. */
  readonly json: boolean
}

export interface RunningGateway {
  readonly file: FleetFile
  stop(): Promise<void>
}

export const gatewayVersion = '0.1.0'

/** Starts the gateway of a home: broker, database, API, and an edge agent. The composition root: every part is made here. */
export async function startGateway({ home, edge, json }: GatewayOptions): Promise<RunningGateway> {
  const log = createLog({ json })
  const file = readFleetFile(home)
  // Before anything is opened: what a second one writes, the first doesn't know.
  await refuseSecond(home.socket)
  const { fleet } = file
  const topics = fleetTopics(fleet)
  const roots = new Roots({ files: nodeFiles(home.roots), folder: home.roots, fleet, crypto: nodeCrypto })
  const gatewayKey = new GatewayKey(home.keys)
  const keyProblem = await gatewayKey.follow(roots.current)
  if (keyProblem !== null) throw keyProblem
  const authorities = await Authorities.open(home.gateway, fleet, roots.current)
  const { authority } = authorities
  const server = await authority.issueServer({ names: file.hosts })
  const store = openStore(join(home.gateway, 'hypha.db'), { fleet })
  const onFailure = (error: unknown) => tellFailure(log, error)
  const onNodeProblem = tellNodeProblems(log, systemClock.monotonic)

  const broker = await openBroker({
    home,
    file,
    server,
    clientCas: authorities.ofClients,
    store,
    log,
    uplink: (socket) => uplinks.accept(socket),
  })
  const publish: Publish = (topic, bytes, options) => broker.publish(topic, bytes, options)
  const distribution = { store, topics, publish, clock: systemClock, onProblem: onNodeProblem }
  const chunks = createChunks({
    ...distribution,
    sizeForChildren: (node, digest) => sizeForChildren(node, digest, store),
  })
  const sender = createInputSender({
    ...distribution,
    parentOf: (node) => store.nodes.parentOf(node),
    gaveUp: (input) => boards.gaveUp(input),
  })
  const world = new World({ topics, publish, clock: systemClock, onProblem: onFailure })

  const publishRoot = () => publish(topics.rootMetadata, encodeNewest(roots.chain), { retain: true, qos: 1 })
  const followRoot = async () => {
    const { version } = roots.current
    const problem = await gatewayKey.follow(roots.current)
    if (problem === null) log.info(`root metadata version ${version} is in force`)
    else tellFailure(log, problem)
    await followAuthority().catch(onFailure)
  }
  // Before nodes hear of the root metadata that names another: they look for it at once.
  const followAuthority = async () => {
    if (!(await authorities.follow(roots.current))) return
    const { key, certificate } = await authority.issueServer({ names: file.hosts })
    broker.use({ key, certificate, ca: authorities.ofClients })
    const https = remote.server as unknown as HttpsServer
    https.setSecureContext({ key, cert: certificate, minVersion: 'TLSv1.3' })
    log.info(`certificate authority ${authority.fingerprint} vouches for the gateway`)
  }
  const releaseMessages = createReleaseMessages({
    ...distribution,
    contents: store.contents,
    retained: (filter) => broker.retained(filter),
    onFailure,
  })
  const outlet = createOutlet({
    topics,
    broker,
    world,
    distribution,
    releaseMessages,
    chunks,
    sender,
    publishRoot,
    onFailure,
  })

  const patchMaker = createPatchMaker({ onProblem: ({ message, code }) => log.warn(message, { code }) })
  const { services, pipeline, reports, boards, feeds } = createGateway({
    store,
    crypto: nodeCrypto,
    clock: systemClock,
    nowMs,
    twoPhases: 'always',
    ...(file.escalation && { escalation: file.escalation }),
    version: gatewayVersion,
    root: () => roots.current,
    roots: {
      get chain() {
        return roots.chain
      },
      async add(envelopes, nowMs) {
        const newest = envelopes.at(-1)
        if (newest) authorities.check(rootMetadata.decode(openEnvelope(newest, 'root', maxRootBytes).unverifiedPayload))
        const added = await roots.add(envelopes, nowMs)
        if (added > 0) await followRoot()
        return added
      },
      problem: () => gatewayKey.problem,
    },
    rootDigest: toHex(nodeCrypto.sha256(roots.first)),
    signer: () => gatewayKey.signer,
    boxKeys: openBoxKeys(home),
    authority,
    address: () => ({ host: file.hosts[0]!, httpPort: file.httpPort, mqttPort: file.mqttPort }),
    outlet,
    patchMaker,
    onFailure,
  })

  const nodeSinks: BoardSinks = {
    state: (node, state) => {
      reports.state(node, state)
      sender.runs(node, runsOf(state))
    },
    presence: (node, online) => {
      if (online) void sender.connected(node)
      else sender.disconnected(node)
      reports.presence(node, online)
    },
    report: (node, body) => ingest.onReport(node, body),
    handled: (inputs) => sender.handled(inputs),
  }
  boards.use(nodeSinks)
  const ingest = createIngest({
    store,
    route: ({ app, module, home, node, served, topic }) =>
      pipeline.planner.targets(app, { kind: 'instance', node, module, home, served }, topic),
    runsNow: (node, instance) => pipeline.planner.runs(node, instance),
    sinks: {
      ack: (node, bytes) => {
        if (!boards.ack(node, bytes)) void publish(topics.down(node, 'ack'), bytes).catch(onFailure)
      },
      values: (values) => {
        world.values(values)
        feeds.values.publish(values)
      },
      messages: (messages) => world.messages(messages),
      events: (events) => {
        feeds.events.publish(events)
        reports.escalation.hear(events)
      },
      logs: (logs) => feeds.logs.publish(logs),
      handled: (inputs) => sender.handled(inputs),
      queued: (nodes) => {
        for (const node of nodes) void sender.flush(node)
      },
      state: (node, state) => {
        nodeSinks.state(node, state)
        boards.heard(node, state)
      },
      presence: (node, online) => {
        nodeSinks.presence(node, online)
        boards.presence(node, online)
      },
      unwelcome: (node, cloned) => {
        broker.disconnect(node)
        if (!cloned) return
        const { message, code } = refusalOf(node, { revoked: false, cloned: true })!
        log.error(message, { code, node })
      },
      failed: onFailure,
    },
  })
  const messages = createNodeMessages({
    topics,
    store,
    ingest,
    chunks,
    reports,
    planner: pipeline.planner,
    boards: (node, bytes) => boards.word(node, bytes),
    sender,
    clock: systemClock,
    tellTime: (node, answer) => void publish(topics.down(node, 'time'), answer).catch(onFailure),
    leases: pipeline.leases,
    tellLease: (node, answer) => void publish(topics.down(node, 'lease'), answer).catch(onFailure),
    tellStored: (node, answer) => void publish(topics.down(node, 'checkpoint'), answer).catch(onFailure),
    disconnect: (node) => broker.disconnect(node),
    onProblem: onNodeProblem,
  })
  broker.onMessage(messages.onMessage)
  broker.onClient(messages.onClient)

  const enrolment = createEnrolment({
    store,
    authority,
    root: () => roots.first,
    chain: () => roots.chain,
    broker: () => ({ host: file.hosts[0]!, port: file.mqttPort }),
    // A device that joins under the name of another takes its place.
    joined: (node) => {
      outlet.nodeReplaced(node)
      uplinks.nodeJoined(node)
      reports.replaced(node)
      pipeline.planner.replanSoon()
    },
  })
  const uplinks: Uplinks = createUplinks({
    fleet,
    store,
    authority,
    rootDigest: toHex(nodeCrypto.sha256(roots.first)),
    address: () => ({ host: file.hosts[0]!, httpPort: file.httpPort, mqttPort: file.mqttPort }),
    file: home.upstream,
    folder: home.sites,
    services,
    json,
    log,
    now: systemClock.now,
  })
  const install = createInstallables({
    folder: join(home.gateway, 'install'),
    address: () => ({ host: file.hosts[0]!, httpPort: file.httpPort }),
    released: () => releasedAgent(store),
    onSlow: (what) => log.info(what),
  })
  const apiOptions = { onDefect: onFailure, install, federation: uplinks.federation }
  const local = await createApi(services, { ...apiOptions, trust: { kind: 'local' } })
  const remote = await createApi(services, {
    ...apiOptions,
    trust: {
      kind: 'tokens',
      find: callerByToken({ store, clock: systemClock }),
    },
    tls: { certificate: server.certificate, key: server.key },
    open: { ...enrolment, joinSite: uplinks.joinSite },
  })

  // Whoever has it is the one gateway of this folder.
  await listenOnSocket(local, home.socket)
  // Whatever the last run believed: a node is online when it has said so to this one.
  store.nodes.setAllOffline()
  await listenOnPort(remote, '::', file.httpPort)
  await publishRoot()
  await broker.listen()
  pipeline.start()
  reports.following.start()
  const stopChores = startChores({
    store,
    gatewayKey,
    root: () => roots.current,
    log,
    keyBrought: () => pipeline.rootChanged(),
    onFailure,
  })
  log.info(`gateway of ${fleet} listens: MQTT ${file.mqttPort}, HTTP ${file.httpPort}, ${home.socket}`)
  const edgeAgent = edge
    ? await startEdgeAgent({
        home: home.edge,
        json,
        log,
        invite: async () =>
          (await services.invites.create({ node: 'edge', tier: 'edge', hours: 1 }, { name: 'gateway', role: 'admin' }))
            .url,
      })
    : null
  uplinks.start()
  log.info('ready')

  return {
    file,
    async stop() {
      stopChores()
      await Promise.all([edgeAgent?.stop(), uplinks.stop()])
      pipeline.stop()
      reports.following.stop()
      patchMaker.close()
      await Promise.all([local.close(), remote.close()])
      sender.close()
      world.close()
      releaseMessages.close()
      await broker.close()
      ingest.flush()
      store.close()
    },
  }
}

/** What of a node's word says for which inputs it has a place. */
const runsOf = ({ sections }: NodeState): string =>
  sections
    .map(({ app, running, instances }) =>
      [app, running && toHex(running), ...instances.map(({ module, home }) => `${module}@${home ?? ''}`)].join(' '),
    )
    .join()

function tellFailure(log: Log, thrown: unknown): void {
  const error = asHyphaError(thrown)
  log.error(error.message, {
    code: error.code,
    where: error.where,
    stack: error.code === 'internal' ? error.stack : undefined,
  })
}
