import type { RolloutOptions } from '../../distribute/rollout-policy.ts'
import type { RolloutAct, RolloutShown } from '../../distribute/rollout-view.ts'
import type { Plan } from '../../plan.ts'
import type {
  ClientMade,
  ClientRequest,
  ClientView,
  Role,
  Status,
  TokenMade,
  TokenRequest,
  TokenView,
} from './schemas/access.ts'
import type {
  AppDetail,
  AppSummary,
  ComeHome,
  ConfigChange,
  ConfigEntry,
  ConfigWhere,
  EscalationView,
  PushAnswer,
  ReleaseDetail,
  ReleaseEnvelope,
  ReleaseSummary,
  RolloutView,
  WhyAnswer,
} from './schemas/apps.ts'
import type {
  AuditChainQuery,
  AuditEntry,
  AuditLink,
  AuditQuery,
  EventLine,
  EventQuery,
  HistoryAnswer,
  HistoryQuery,
  LogLine,
  LogQuery,
  Value,
  ValueFilter,
} from './schemas/data.ts'
import type { LinkView } from './schemas/links.ts'
import type {
  InviteMade,
  InviteRequest,
  InviteView,
  NodeChange,
  NodeDetail,
  NodeRevoked,
  NodeSummary,
} from './schemas/nodes.ts'
import type { WhatIfAnswer, WhatIfRequest } from './schemas/plan.ts'
import type { ReceiptView } from './schemas/rollouts.ts'
import type { RootView } from './schemas/root.ts'

/** Who asks: for the audit log. */
export interface Caller {
  /** "local" for the Unix socket, else the token's name. */
  readonly name: string
  readonly role: Role
  /** The apps that a publisher may publish: names, or beginnings of names with a star at their end. */
  readonly apps?: readonly string[]
}

/** A call that was refused: for the audit log. */
export interface Denial {
  /** Null for a stranger. */
  readonly caller: Caller | null
  readonly address: string
  /** "POST /v1/push" */
  readonly asked: string
  readonly code: string
}

/** What is pushed: the signed release, and every component that it lists. */
export interface Push {
  readonly envelope: Uint8Array
  readonly components: readonly Uint8Array[]
}

/** Items as they arrive, until `signal` is aborted. */
type Follow<Filter, Item> = (filter: Filter, signal: AbortSignal) => AsyncIterable<Item>

/**
 * What the HTTP API offers, without HTTP. Whatever changes something takes the caller and writes an audit entry. What isn't there is `not-found`.
 */
export interface Services {
  status(): Promise<Status>

  readonly nodes: {
    list(): Promise<NodeSummary[]>
    show(id: string): Promise<NodeDetail>
    /** The node is told to leave and deletes what it holds; one that is away for good is forgotten at once with `force`. */
    remove(id: string, options: { force: boolean }, by: Caller): Promise<void>
    /** A lost or stolen device: nothing that has its keys is let in from now on, and it isn't told. Throws `node-revoked` where that was done before. */
    /** Throws `not-found`, `name-taken`. */
    accept(id: string, board: string, by: Caller): Promise<NodeDetail>
    revoke(id: string, options: { reason?: string }, by: Caller): Promise<NodeRevoked>
    change(id: string, change: NodeChange, by: Caller): Promise<NodeDetail>
  }

  readonly root: {
    show(): Promise<RootView>
    /** Takes newer root metadata, by rising version, and sees to it that the fleet follows; what is held already changes nothing. */
    submit(envelopes: readonly Uint8Array[], by: Caller): Promise<RootView>
  }

  readonly invites: {
    list(): Promise<InviteView[]>
    create(request: InviteRequest, by: Caller): Promise<InviteMade>
    revoke(id: string, by: Caller): Promise<void>
  }

  readonly apps: {
    list(): Promise<AppSummary[]>
    show(app: string): Promise<AppDetail>
    remove(app: string, by: Caller): Promise<void>
    releases(app: string): Promise<ReleaseSummary[]>
    release(app: string, number: number): Promise<ReleaseDetail>
    /** What a further hand signs, with what is known of it. */
    envelope(app: string, number: number): Promise<ReleaseEnvelope>
    /** As it was pushed, with the signatures that it has by now. */
    pushed(app: string, number: number): Promise<Push>
    /** Adds the signatures of an envelope of the same release. One that waited for them runs once it has enough. */
    sign(app: string, number: number, envelope: Uint8Array, by: Caller): Promise<PushAnswer>
    /** One that waits for signatures, or neither runs nor is the newest. */
    removeRelease(app: string, number: number, by: Caller): Promise<void>
    /** The plan that runs. */
    plan(app: string): Promise<Plan>
    rollout(app: string): Promise<RolloutView>
    why(app: string, module: string, home?: string): Promise<WhyAnswer>
    /** Why a module isn't on a node; of a device-scoped one the instance of `home`. */
    whyNot(app: string, module: string, node: string, home?: string): Promise<WhyAnswer>
    /** The plan on a fleet as it isn't; changes nothing. */
    whatIf(app: string, change: WhatIfRequest): Promise<WhatIfAnswer>
    /** Lets what has climbed be on its nodes again at once; answers what that was. */
    comeHome(app: string, which: ComeHome, by: Caller): Promise<EscalationView[]>
    /** Places a release that nobody has to have signed, given as its payload; changes nothing. */
    dryRun(payload: Uint8Array, by: Caller): Promise<Plan>
    /** `options` say over what the release says of its rollout. */
    push(push: Push, by: Caller, options?: RolloutOptions): Promise<PushAnswer>
    /** Without a number: to the release that ran before the present one. */
    rollback(app: string, number: number | undefined, by: Caller): Promise<PushAnswer>
  }

  readonly rollouts: {
    /** How an app's releases were brought to the fleet, the newest first. */
    list(app: string): Promise<RolloutShown[]>
    /** Of the one that is under way. Throws `rollout-state` where that can't be done now. */
    act(app: string, act: RolloutAct, by: Caller): Promise<RolloutShown>
    /** What nodes have signed of their flips to an epoch, by default the newest. */
    receipts(app: string, epoch?: number): Promise<ReceiptView[]>
  }

  readonly links: {
    /** Those in use that leave their cell, of all apps or of one. */
    list(app?: string): Promise<LinkView[]>
  }

  readonly values: {
    last(filter: ValueFilter): Promise<Value[]>
    history(query: HistoryQuery): Promise<HistoryAnswer>
    readonly follow: Follow<ValueFilter, Value>
  }
  readonly logs: {
    /** The newest last. */
    query(query: LogQuery): Promise<LogLine[]>
    readonly follow: Follow<LogQuery, LogLine>
  }
  readonly events: {
    query(query: EventQuery): Promise<EventLine[]>
    readonly follow: Follow<EventQuery, EventLine>
  }
  /** The newest first. */
  audit(query: AuditQuery): Promise<AuditEntry[]>
  /** The oldest first, with what it takes to check their chain. */
  auditChain(query: AuditChainQuery): Promise<AuditLink[]>
  /** Writes down that a call was refused; of a flood of them, only how many there were. */
  denied(denial: Denial): void

  readonly config: {
    list(app: string): Promise<ConfigEntry[]>
    set(app: string, key: string, change: ConfigChange, by: Caller): Promise<ConfigEntry>
    unset(app: string, key: string, where: ConfigWhere, by: Caller): Promise<void>
  }
  readonly tokens: {
    list(): Promise<TokenView[]>
    create(request: TokenRequest, by: Caller): Promise<TokenMade>
    revoke(name: string, by: Caller): Promise<void>
  }
  readonly clients: {
    list(): Promise<ClientView[]>
    create(request: ClientRequest, by: Caller): Promise<ClientMade>
    remove(name: string, by: Caller): Promise<void>
  }
}
