import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, exitCodes, type HyphaError } from '@hypha/core/errors.ts'
import { believes } from '@hypha/core/platform/authority.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { createLog } from '@hypha/core/platform/log.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import type { Content } from '@hypha/core/trust/directive.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
import { progress } from '@hypha/core/wire/messages/progress.ts'
import { type SectionState, state } from '@hypha/core/wire/messages/state.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { bootId } from './boot-id.ts'
import { Calls } from './calls/calls.ts'
import { tellLinks } from './calls/telling.ts'
import { openGatewayClock } from './clock-sync.ts'
import { connectionNumbers } from './connection-number.ts'
import { following } from './following.ts'
import { Checkpoints } from './handover/checkpoints.ts'
import { hearGateway } from './hear-gateway.ts'
import { loadIdentity, wipeData } from './home.ts'
import { Installs } from './install/installs.ts'
import { defaultTrialLimits } from './install/machine.ts'
import { takeInventory } from './inventory.ts'
import { Leases } from './leases.ts'
import { finishLeaving, leavingStep, noteLeaving } from './leaving.ts'
import { isUnproven } from './link/connection-error.ts'
import type { LinkState } from './link/link.ts'
import { leaseMs, linkTiming, machineUptime, wantedLeases } from './liveness.ts'
import { openMachine } from './machine.ts'
import { openContents } from './open-contents.ts'
import { openLink } from './open-link.ts'
import { openNodeBoards } from './open-node-boards.ts'
import { openRenewal } from './open-renewal.ts'
import { openVerifier } from './open-verifier.ts'
import { Pipeline } from './pipeline.ts'
import { Receipts } from './receipts.ts'
import { beginJournalAnew } from './report/anew.ts'
import { openJournal } from './report/journal.ts'
import { createShipper } from './report/shipper.ts'
import { createSandbox } from './sandbox/sandbox.ts'
import { selfUpdate } from './self-update.ts'
import { becomeSole } from './sole.ts'
import { stateSender } from './state-sender.ts'
import { TrustFile } from './trust-file.ts'
import type { NodeEvent } from './turns.ts'
import { beat } from './update/alive.ts'
import { openWith, runnable } from './verify/runnable.ts'
import { tellVitals } from './vitals.ts'

export interface AgentOptions {
  readonly home: string
  readonly json: boolean
  readonly untilStdinEnds: boolean
}

const trialMs = 5_000
const flipBudgetMs = 2_000
const stateEveryMs = 30_000
/** The launcher (agent/launcher) starts the slot that is due at once after this exit code. */
const restartCode = 75

/** Starts the agent of a home that has joined, and runs until the process is told to end. The composition root: every part is made here. */
export async function startAgent({ home, json, untilStdinEnds }: AgentOptions): Promise<void> {
  const log = createLog({ json })
  const identity = loadIdentity(home)
  const topics = fleetTopics(identity.fleet)
  const { node } = identity
  const onProblem = (error: HyphaError) => log.warn(error.message, { code: error.code, where: error.where })

  mkdirSync(join(home, 'data'), { recursive: true, mode: 0o700 })
  const files = nodeFiles(join(home, 'data'))
  await becomeSole(home, files)
  const trust = new TrustFile(files)
  const verifier = openVerifier(trust, identity, nodeCrypto, systemClock.now)
  const keepTrust = () => trust.keep(() => verifier.snapshot)
  const journal = await openJournal({
    files,
    clock: systemClock,
    random: nodeCrypto.random,
    bootId: bootId(),
    options: { onProblem },
  })
  const tell = (event: NodeEvent) => {
    const { instance, code, text } = event
    const { app, module, home } = instance ?? {}
    log.warn(text, { code, app, module: module ?? undefined, home: home ?? undefined })
    // While the agent ends, the log alone is left to tell.
    if (!journal.closed) journal.event(event)
  }
  const machine = await openMachine(home, node, log)
  const nextConnection = await connectionNumbers(files)
  let pipeline: Pipeline | null = null
  let ending = false
  const followRoot = async (chain: readonly Uint8Array[]) => {
    if (!verifier.followRoot(chain)) return
    log.info(`follows root metadata version ${verifier.root.version}`)
    const kept = keepTrust()
    if (!ending) pipeline?.rootChanged()
    await kept
  }
  const renewal = openRenewal(home, identity, { root: () => verifier.root, follow: followRoot, onProblem }, log, {
    now: () => verifier.timeMs,
    use: ({ ca, certificate, brokerHost, brokerPort }) =>
      link.renew({ ca, certificate, host: brokerHost, port: brokerPort }),
  })
  // It told the gateway that it leaves, perhaps: one that doesn't know it any more has heard it.
  const wasLeaving = leavingStep(home) !== null
  const linkParts = {
    nextConnection,
    timing: linkTiming(machine.nodeFile.liveness),
    run: nodeCrypto.random(8),
    journal: () => ({ incarnation: journal.incarnation, upTo: journal.sendable }),
  }
  // What was joined by may have been replaced while this node was away, or it ended before it had the other.
  const believed = believes(verifier.root, identity.ca) ? identity.ca : null
  const link = openLink({ ...identity, believed }, linkParts, (error) => {
    onProblem(error)
    if (error.code !== 'link-refused') return
    if (!wasLeaving) return renewal.refused(isUnproven(error))
    log.warn(`${node} has left ${identity.fleet}, which knows it no more: it deletes what is left`)
    finishLeaving(home)
    process.exit(0)
  })
  const gatewayClock = openGatewayClock({ node, topics, link, clock: systemClock, onProblem })
  const leases = new Leases({
    node,
    topics,
    link,
    clock: systemClock,
    uptime: machineUptime,
    random: nodeCrypto.random,
    forMs: leaseMs(machine.nodeFile.liveness),
    wanted: () => wantedLeases(verifier.held?.directive.sections ?? []),
    onProblem,
  })
  const shipper = createShipper({
    journal,
    link,
    topic: topics.up(node, 'report'),
    clock: systemClock,
    options: {
      onProblem,
      onSetBack: () => {
        const text = `${node}'s disk was set back, or is a copy of another's: its journal begins anew at the next start, and it ends for that`
        log.error(text)
        beginJournalAnew(files).then(
          () => end(exitCodes.later),
          (thrown) => onProblem(asHyphaError(thrown)),
        )
      },
    },
  })
  const incoming = await openContents({
    node,
    topics,
    files,
    clock: systemClock,
    link,
    log,
    onProblem,
    onProgress: (app, content, bytes, ofBytes) => sendProgress(app, content, bytes, ofBytes),
  })
  const { contents } = incoming
  const installs = new Installs(files, defaultTrialLimits, (app, error) =>
    log.error(`The install file of ${app} is damaged and begins anew`, { code: error.code }),
  )

  const sandbox = createSandbox({
    node,
    clock: systemClock,
    commit: (turn) => pipeline!.commit(turn),
    event: tell,
    call: (call) => boards.call(call) ?? machine.drivers.call(call),
    calls: { make: (call) => calls.make(call), devices: (app) => calls.devices(app) },
    leases,
    componentProcess: machine.componentProcess,
  })
  const calls = new Calls({
    node,
    topics,
    clock: systemClock,
    link,
    journal,
    linked: (app) => pipeline?.linked(app) ?? null,
    onProblem,
  })
  const publishState = stateSender(() => {
    // A node that leaves says once that nothing is left; what was true before must not come after it.
    if (link.state !== 'online' || ending) return
    link.publish(topics.state(node), stateMessage(pipeline!.sections()), { qos: 1, retain: true }).catch(() => {
      // Cut in between: the next connection sends the state as it is then.
    })
  })
  const stateMessage = (sections: readonly SectionState[]) =>
    state.encode({
      incarnation: journal.incarnation,
      tier: identity.tier,
      bootedMs,
      inventory,
      directive: verifier.held?.directive.version ?? 0,
      sections,
      contents: contents.list(),
      refused: pipeline!.refused,
      children: boards.children(),
    })
  const bootedMs = systemClock.now()
  const boards = openNodeBoards({
    fleet: identity.fleet,
    node,
    signer: seedSigner(identity.seed, nodeCrypto),
    topics,
    clock: systemClock,
    log,
    files,
    link,
    incoming,
    verifier,
    gatewayClock,
    changed: publishState,
    follow: (apps) => followAll({ boards: apps }),
    onProblem,
  })
  const update = selfUpdate(
    home,
    () => link.state === 'online',
    () => end(restartCode),
  )
  const stopBeat =
    update === null
      ? () => undefined
      : beat(
          home,
          () => link.alive,
          (thrown) => onProblem(asHyphaError(thrown)),
        )
  const inventory = takeInventory(home, machine, update && [agentApp])
  const sendProgress = (app: string, content: Content, bytes: number, ofBytes: number) => {
    const section = verifier.held?.directive.sections
      // What both of its sections list is received for the one to prepare: the other has it.
      .filter((each) => each.app === app && each.contents.some(({ digest }) => bytesEqual(digest, content.digest)))
      .at(-1)
    if (section === undefined || link.state !== 'online') return
    const message = progress.encode({ app, epoch: section.epoch, release: section.release, bytes, ofBytes })
    link.publish(topics.up(node, 'progress'), message, { qos: 0 }).catch(() => {
      // Progress is for people who watch; the state says what holds.
    })
  }
  const receipts = new Receipts({
    files,
    fleet: identity.fleet,
    node,
    incarnation: journal.incarnation,
    signer: seedSigner(identity.seed, nodeCrypto),
    publish: (envelope) => link.publish(topics.up(node, 'receipt'), envelope, { qos: 1 }),
    prepares: (app, epoch) =>
      verifier.held?.directive.sections.some(
        (each) => each.app === app && each.epoch === epoch && each.phase === 'prepare',
      ) ?? false,
    onProblem,
  })
  const checkpoints = new Checkpoints({
    journal,
    files,
    clock: systemClock,
    sha256: nodeCrypto.sha256,
    link,
    topic: topics.up(node, 'checkpoint'),
    everyMs: machine.nodeFile.checkpointMs,
    mayMove: (instance) => pipeline?.mayMove(instance) ?? false,
    timer: (instance) => sandbox.timers.take(instance),
    gatewayMs: () => {
      const estimate = gatewayClock.estimate()
      return estimate && systemClock.monotonic() + estimate.offsetMs
    },
    event: tell,
    onProblem,
  })
  const followCommits = following((app) =>
    link.subscribe(topics.commit(app), (_topic, envelope) => {
      // An empty one only says that the broker keeps none any more.
      if (envelope.length === 0 || ending) return
      pipeline!.committed(app, envelope)
      boards.committed(app, envelope)
    }),
  )
  let followed: { readonly own: readonly string[]; readonly boards: readonly string[] } = { own: [], boards: [] }
  const followAll = (more: Partial<typeof followed>) => {
    followed = { ...followed, ...more }
    followCommits([...followed.own, ...followed.boards])
  }
  const openSetting = openWith(identity.boxSecret)
  pipeline = new Pipeline({
    verifier,
    contents: (digest) => contents.read(digest),
    installs,
    sandbox,
    journal,
    clock: systemClock,
    crypto: nodeCrypto,
    trialMs,
    flipBudgetMs,
    gatewayClock,
    flipped: (flip) => receipts.flipped(flip),
    follow: (apps) => {
      followAll({ own: apps })
      incoming.follow(apps)
      receipts.review()
    },
    incarnation: journal.incarnation,
    update,
    receive: incoming.receive,
    keepTrust,
    runnable: (verified) => runnable(verified, (digest) => contents.read(digest), openSetting, nodeCrypto),
    event: tell,
    prove: (held) => {
      link.publish(topics.up(node, 'proof'), held, { qos: 1 }).catch(() => {
        // Cut in between: the next connection brings the older directive, and the proof, again.
      })
    },
    ran: ({ app, epoch, release }, stepsMs) => {
      const steps = Object.entries(stepsMs).map(([step, ms]) => [`${step}Ms`, ms] as const)
      log.info(`${app} runs release ${toHex(release).slice(0, 12)}`, { epoch, ...Object.fromEntries(steps) })
    },
    changed: () => {
      leases.review()
      publishState()
      calls.review()
    },
    openData: (app, interfaces) => machine.drivers.open(app, interfaces),
    forgetData: (app) => machine.drivers.forget(app),
    letGo: (instances, stoppedAgoMs) => checkpoints.letGo(instances, stoppedAgoMs),
    settled: () => {
      pipeline!.sweep()
      incoming.retain([...pipeline!.needed(), ...boards.needed()])
    },
    append: (parts) => journal.appendAll(parts),
    room: () => pipeline!.redeliver(),
    pendingMessages: () => journal.pendingMessages(),
    offer: incoming.offer,
    leave: async () => {
      log.warn(`${node} has been removed from ${identity.fleet}: it deletes what it holds`)
      // From here on a signal to end has to wait until nothing is left.
      ending = true
      stopBeat()
      await noteLeaving(home, 'leaving')
      await stopRunning()
      // What it held goes first and its keys last: whoever is killed in between is told to leave again.
      wipeData(home)
      await link.publish(topics.state(node), stateMessage([]), { qos: 1, retain: true }).then(
        () => noteLeaving(home, 'left'),
        (thrown) => onProblem(asHyphaError(thrown)),
      )
      await link.close()
      finishLeaving(home)
      process.exit(0)
    },
  })

  hearGateway({
    node,
    topics,
    link,
    pipeline,
    ending: () => ending,
    boards,
    followRoot,
    renewal,
    shipper,
    checkpoints,
    calls,
    onProblem,
  })
  const onLink = (now: LinkState) => {
    log.info(
      now === 'online' ? `connected to ${identity.brokerHost}:${identity.brokerPort} as ${node}` : 'disconnected',
    )
    checkpoints.review()
    if (now === 'offline') return
    publishState()
    incoming.retry()
    receipts.review()
    boards.online()
  }
  link.onState(onLink)
  // It may have connected while this node's files were opened.
  if (link.state === 'online') onLink('online')
  const stopTelling = tellLinks(calls.stats, systemClock, (message) =>
    link.publish(topics.up(node, 'links'), message, { qos: 0 }),
  )
  const stopVitals = tellVitals(
    machine.vitals,
    systemClock,
    (message) => link.publish(topics.up(node, 'vitals'), message, { qos: 0 }),
    (thrown) => onProblem(asHyphaError(thrown)),
  )
  const stateTimer = setInterval(publishState, stateEveryMs)

  let stopped: Promise<void> | null = null
  const stopRunning = () => (stopped ??= closeParts())
  async function closeParts(): Promise<void> {
    clearInterval(stateTimer)
    stopTelling()
    stopVitals()
    renewal.stop()
    gatewayClock.close()
    await pipeline!.close()
    leases.close()
    await sandbox.close()
    await incoming.close()
    shipper.close()
    checkpoints.close()
    await journal.close()
    await boards.close()
    machine.close()
  }
  const end = (code: number) => {
    if (ending) return
    ending = true
    // An end that doesn't come is ended by the launcher.
    stopBeat()
    stopRunning()
      .then(() => link.close())
      .then(
        () => process.exit(code),
        (thrown) => {
          log.error(asHyphaError(thrown).message)
          process.exit(1)
        },
      )
  }
  const endWell = () => end(0)
  process.on('SIGINT', endWell)
  process.on('SIGTERM', endWell)
  if (untilStdinEnds) process.stdin.resume().once('close', endWell)

  log.info(`${node} of ${identity.fleet} (${identity.tier}) starts`)
  renewal.start()
  await pipeline.boot()
}
