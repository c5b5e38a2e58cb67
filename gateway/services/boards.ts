import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { errorTable, HyphaError } from '@hypha/core/errors.ts'
import { boxKeyOf, isMac, macOf, sessionKeyOf, sessionProof } from '@hypha/core/trust/board-session.ts'
import { makeBoxKeys } from '@hypha/core/trust/seal.ts'
import { inputRoom, tooLarge } from '@hypha/core/wire/board/input-room.ts'
import { ack } from '@hypha/core/wire/messages/ack.ts'
import { fromChild } from '@hypha/core/wire/messages/child.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { type ChildState, type NodeState, type SectionState, state } from '@hypha/core/wire/messages/state.ts'
import { tokenDigest } from '../enrol/invites.ts'
import type { HandledInput } from '../ingest/outcome.ts'
import type { InputRecord, InputTarget } from '../store/inputs.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { EventRecord } from '../store/records.ts'
import { type BoardStanding, standingOf } from './board-standing.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'
import type { Pipeline } from './pipeline.ts'
import { reportedBy } from './reported.ts'

/** What happens to a board is told as what happens to any node. */
export interface BoardSinks {
  state(node: string, state: NodeState): void
  presence(node: string, online: boolean): void
  report(node: string, body: Uint8Array): void
  /** Inputs that are done with. */
  handled(inputs: readonly HandledInput[]): void
}

/** Boards have no certificate that could expire. */
const never = Date.UTC(9999, 0)
/** A board that hasn't answered a session's key is given another. */
const sessionMs = 20_000

interface Session {
  readonly incarnation: Uint8Array
  readonly publicKey: Uint8Array
  readonly key: Uint8Array
  readonly atMs: number
  proven: boolean
}

/** Microcontrollers at the serial ports of nodes: known by their own id and key, and reached through the node that has them now, their parent. [P 15] */
export class Boards {
  readonly #deps: GatewayDeps
  readonly #pipeline: Pipeline
  readonly #feeds: Feeds
  readonly #sessions = new Map<string, Session>()
  /** What was told of boards that aren't taken for what they say they are. */
  readonly #told = new Set<string>()

  /** The longest message that each takes, of those that were heard of. */
  readonly #messageBytes = new Map<string, number>()

  #sinks: BoardSinks = {
    state: () => undefined,
    presence: () => undefined,
    report: () => undefined,
    handled: () => undefined,
  }

  constructor(deps: GatewayDeps, pipeline: Pipeline, feeds: Feeds) {
    this.#deps = deps
    this.#pipeline = pipeline
    this.#feeds = feeds
  }

  /** Who is told what happens to boards; before anything else is called. */
  use(sinks: BoardSinks): void {
    this.#sinks = sinks
  }

  /** What a node has said of its boards. */
  heard(parent: string, { children }: NodeState): void {
    for (const child of children ?? []) {
      try {
        this.#heardOf(parent, child)
      } catch (error) {
        this.#deps.onFailure(error)
      }
    }
  }

  /** A node came or went; its boards with it. */
  presence(parent: string, online: boolean): void {
    for (const board of this.#deps.store.nodes.childrenOf(parent)) {
      // Which of them are connected, it says itself.
      if (!online) this.#setOnline(board, false)
    }
  }

  /** A word of a board, as its node has passed it on. Throws what is wrong with it. */
  word(parent: string, bytes: Uint8Array): void {
    const { node, word, incarnation } = fromChild.decode(bytes)
    const board = this.#deps.store.nodes.get(node)
    if (board?.tier !== 'mcu' || board.parent !== parent || board.revoked !== null) {
      throw new HyphaError('board-not-accepted', `${parent} speaks for ${node}, which is no board of it`, {
        where: node,
      })
    }
    if (word.kind === 'session') {
      const session = this.#sessions.get(node)
      if (session === undefined || word.proof === null || !bytesEqual(session.publicKey, word.key)) return
      session.proven = isMac(word.proof, sessionProof(session.key, this.#deps.crypto))
      if (session.proven) return
      throw new HyphaError('board-mac-invalid', `${node} does not prove to have its session's key`, { where: node })
    }
    if (word.kind === 'note') {
      const { code, text, refused } = word
      if (refused === null) this.#event({ node, app: null, module: null, home: null, code, text })
      else if (this.#giveUp({ ...refused, node }, code, text)) {
        this.#sinks.handled([{ ...refused, node, outcome: 'failed' }])
      }
      return
    }
    if (word.mac !== null && this.#isGenuine(node, word.body, word.mac)) this.#sinks.report(node, word.body)
    else this.#passOver(board, incarnation, word.body)
  }

  /** Whether an input is longer than a board's messages may be: then it is given up, with an event. What is sent to the board all the same, its node judges. [P 15.9] */
  gaveUp(input: InputRecord): boolean {
    const { node, topic, payload } = input
    const messageBytes = this.#messageBytes.get(node)
    if (messageBytes === undefined) return false
    const room = inputRoom({ ...input, source: this.#deps.store.meta.source }, messageBytes)
    if (payload.length <= room) return false
    this.#giveUp(input, 'input-too-large', tooLarge(node, topic, payload.length, room, messageBytes))
    return true
  }

  /** False for one that isn't there any more. */
  #giveUp({ number, ...rest }: InputTarget & { number: number }, code: string, text: string): boolean {
    const { node, app, module, home } = rest
    const { store, clock } = this.#deps
    if (!store.inputs.handled(rest, number, 'failed', clock.now())) return false
    this.#event({ node, app, module, home, code, text })
    return true
  }

  #event(event: Omit<EventRecord, 'id' | 'at'>): void {
    const { store, clock } = this.#deps
    this.#feeds.events.publish([store.events.add({ ...event, at: clock.now() })])
  }

  /** Enters a board that waits for it. Throws `not-found` where the node doesn't have it, `name-taken`. */
  accept(parent: string, id: string): ChildState {
    const { store } = this.#deps
    const record = store.nodes.get(parent)
    if (record === null) throw notFound('node', parent)
    const children = reportedBy(record)?.children ?? []
    const child = children.find(({ node }) => node === id)
    if (child === undefined) {
      const names = children.map(({ node }) => node).join(', ')
      throw new HyphaError('not-found', `There is no board ${id} of ${parent}`, {
        where: id,
        mend: names === '' ? `${parent} tells of none: is it plugged in?` : `It has: ${names}.`,
      })
    }
    const known = store.nodes.get(id)
    const standing = standingOf(child, known)
    if (standing === 'another-key') {
      throw new HyphaError(
        'name-taken',
        `There is a board ${id} already, with another key: ${keyName(known!.publicKey)}`,
        {
          where: id,
          mend: `To forget the one of before, with its history: hypha node rm ${id} --force. Or build the firmware of this one with another id.`,
        },
      )
    }
    if (standing === 'name-taken') {
      throw new HyphaError('name-taken', `There is a node ${id} already`, {
        where: id,
        mend: 'Build the firmware of the board with another id (hypha mcu build --id).',
      })
    }
    if (standing === 'pending') this.#enter(parent, child)
    // What the node said of it counts from now on.
    this.#heardOf(parent, child)
    return child
  }

  #heardOf(parent: string, child: ChildState): void {
    const { store } = this.#deps
    if (store.nodes.get(child.node) === null && this.#isInvited(child)) this.#redeem(parent, child)
    const board = store.nodes.get(child.node)
    const standing = standingOf(child, board)
    if (board === null || standing !== 'accepted') {
      this.#tellOnce(parent, child, standing)
      return
    }
    if (board.revoked !== null) return
    if (child.messageBytes !== null) this.#messageBytes.set(child.node, child.messageBytes)
    if (board.parent !== parent) {
      // Whoever has it in front of him knows: the other one only remembers it.
      if (!child.connected) return
      this.#move(board, parent)
    }
    const synthesised = stateOf(child, board, this.#deps.clock.now())
    const bytes = state.encode(synthesised)
    this.#setOnline(board, child.connected && store.nodes.get(parent)?.presence?.online === true)
    if (board.state === null || !bytesEqual(board.state.bytes, bytes)) {
      store.nodes.setState(child.node, bytes, synthesised.inventory, this.#deps.clock.now())
      this.#sinks.state(child.node, synthesised)
    }
    this.#goAbove(child)
    if (child.connected && store.nodes.has(child.node)) this.#agree(board, parent, child)
  }

  /** It was a board of this fleet before, or this gateway was restored from a backup: it takes no directive below the one that it holds. */
  #goAbove({ node, directive }: ChildState): void {
    const told = `${node} holds ${directive}`
    if (directive <= this.#deps.store.directives.version(node) || this.#told.has(told)) return
    this.#told.add(told)
    this.#pipeline.planner.replanSoon()
  }

  #setOnline({ id, presence }: NodeRecord, online: boolean): void {
    if (presence?.online === online) return
    const { store, clock } = this.#deps
    if (store.nodes.setPresence(id, { connection: 1, online, run: null, journal: null }, clock.now())) {
      this.#sinks.presence(id, online)
    }
  }

  /** Its cable is elsewhere. */
  #move({ id, parent: before }: NodeRecord, parent: string): void {
    this.#deps.store.nodes.setParent(id, parent)
    if (before !== null) this.#deps.outlet.children(before)
    this.#deps.outlet.children(parent)
    this.#sessions.delete(id)
    this.#pipeline.planner.replanSoon()
  }

  /** Whether it carries an invitation that this gateway has made for it. */
  #isInvited({ node, invite }: ChildState): boolean {
    if (invite === null) return false
    const found = this.#deps.store.invites.findInvite(tokenDigest(textOf(invite)))
    return (
      found?.node === node && found.tier === 'mcu' && found.used === null && found.expiresAt > this.#deps.clock.now()
    )
  }

  #redeem(parent: string, child: ChildState): void {
    const { id: _, tier: __, labels: ___, createdAt: at, ...keys } = this.#newNode(child)
    const digest = tokenDigest(textOf(child.invite!))
    if (!this.#deps.store.invites.redeemInvite(digest, { at, ...keys, answer: new Uint8Array() })) return
    this.#entered(parent, child)
  }

  #enter(parent: string, child: ChildState): void {
    this.#deps.store.nodes.put(this.#newNode(child))
    this.#entered(parent, child)
  }

  #entered(parent: string, { node }: ChildState): void {
    const { store, outlet } = this.#deps
    store.nodes.setParent(node, parent)
    store.series.generation++
    outlet.children(parent)
    this.#pipeline.planner.replanSoon()
  }

  #newNode({ node: id, key }: ChildState) {
    const common = { id, tier: 'mcu', publicKey: key, boxKey: boxKeyOf(key), labels: [] } as const
    // No certificate has this fingerprint: nobody connects under a board's name.
    return { ...common, fingerprint: '', certificateExpiresAt: never, createdAt: this.#deps.clock.now() }
  }

  /** Agrees with it on the key of its reports' MACs. Kept before it is told: whatever it reports with it can be checked. */
  #agree({ id, publicKey }: NodeRecord, parent: string, { incarnation }: ChildState): void {
    const { store, crypto, clock, outlet } = this.#deps
    const known = this.#sessions.get(id)
    const nowMs = clock.monotonic()
    if (known !== undefined && bytesEqual(known.incarnation, incarnation)) {
      if (known.proven || nowMs - known.atMs < sessionMs) return
    }
    const pair = makeBoxKeys(crypto)
    const key = sessionKeyOf(pair, publicKey, crypto)
    store.boardSessions.add(id, incarnation, key, clock.now())
    this.#sessions.set(id, { incarnation, publicKey: pair.publicKey, key, atMs: nowMs, proven: false })
    outlet.toChild(parent, { node: id, word: { kind: 'session', key: pair.publicKey, proof: null } })
  }

  #isGenuine(board: string, body: Uint8Array, mac: Uint8Array): boolean {
    const { store, crypto } = this.#deps
    return store.boardSessions.list(board).some(({ key }) => isMac(mac, macOf(key, body, crypto)))
  }

  /** A report that can't be the board's, or is of a session that isn't known any more: it is told, and the node needn't bring it again. */
  #passOver({ id, parent }: NodeRecord, incarnation: Uint8Array, body: Uint8Array): void {
    const { first, count } = report.decode(body)
    const text = `A report of ${id} with the numbers ${first} to ${first + count - 1} has no MAC of a session with it, and was passed over.`
    this.#event({ node: id, app: null, module: null, home: null, code: 'board-mac-invalid', text })
    this.#sessions.delete(id)
    this.ack(id, ack.encode({ incarnation, upTo: first + count - 1, anew: null }), parent)
  }

  /** What is stored of a board's journal. False for a node that isn't one. */
  ack(board: string, bytes: Uint8Array, parent = this.#deps.store.nodes.parentOf(board)): boolean {
    if (parent === null) return false
    this.#deps.outlet.toChild(parent, { node: board, word: { kind: 'ack', ...ack.decode(bytes) } })
    return true
  }

  #tellOnce(parent: string, { node, key }: ChildState, standing: BoardStanding): void {
    const told = `${parent}/${node}/${toHex(key)}/${standing}`
    if (this.#told.has(told) || this.#told.size > 10_000) return
    this.#told.add(told)
    const text = {
      pending: `The board ${node} at ${parent}, with the key ${keyName(key)}, waits to be accepted: hypha accept ${parent}/${node}.`,
      'another-key': `A board at ${parent} says that it is ${node}, and has another key, ${keyName(key)}: it is refused.`,
      'name-taken': `A board at ${parent} says that it is ${node}, which is the name of a node: it is refused.`,
      accepted: '',
    }[standing]
    const code = standing === 'pending' ? 'board-pending' : 'board-refused'
    this.#event({ node: parent, app: null, module: null, home: null, code, text })
  }
}

/** By which people compare keys. */
export const keyName = (key: Uint8Array): string => toHex(key).slice(0, 16)

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** What a node would say of itself in the board's place. */
function stateOf(child: ChildState, board: NodeRecord, nowMs: number): NodeState {
  const before = reportedBy(board)
  const bootedMs = before !== null && bytesEqual(before.incarnation, child.incarnation) ? before.bootedMs : nowMs
  const { incarnation, inventory, directive, sections, contents, refused } = child
  return {
    incarnation,
    tier: 'mcu',
    bootedMs: Math.floor(bootedMs),
    inventory,
    directive,
    sections: sections.map(inWords),
    contents,
    refused: refused === null ? null : { code: refused, message: wordsOf(refused)! },
    children: null,
  }
}

function inWords(section: SectionState): SectionState {
  const { prepare } = section
  return {
    ...section,
    message: section.message ?? wordsOf(section.code),
    instances: section.instances.map((each) => ({ ...each, error: wordsOf(each.error) ?? each.error })),
    prepare: prepare && { ...prepare, message: prepare.message ?? wordsOf(prepare.code) },
  }
}

/** A board keeps no sentences: they stand in the table of errors. */
function wordsOf(code: string | null): string | null {
  if (code === null) return null
  const entry = Object.hasOwn(errorTable, code) ? errorTable[code as keyof typeof errorTable] : null
  return entry === null ? `The board says: ${code}` : `${entry.means} ${entry.mend}`.slice(0, 1_000)
}
