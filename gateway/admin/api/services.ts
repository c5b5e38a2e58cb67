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
  ConfigChange,
  ConfigEntry,
  ConfigWhere,
  PushAnswer,
  ReleaseDetail,
  ReleaseSummary,
  RolloutView,
  WhyAnswer,
} from './schemas/apps.ts'
import type {
  AuditEntry,
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
import type { InviteMade, InviteRequest, InviteView, NodeChange, NodeDetail, NodeSummary } from './schemas/nodes.ts'

/** Who asks: for the audit log. */
export interface Caller {
  /** "local" for the Unix socket, else the token's name. */
  readonly name: string
  readonly role: Role
}

/** What is pushed: the signed release, and every component that it lists. */
interface Push {
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
    change(id: string, change: NodeChange, by: Caller): Promise<NodeDetail>
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
    /** One that neither runs nor is the newest. */
    removeRelease(app: string, number: number, by: Caller): Promise<void>
    /** The plan that runs. */
    plan(app: string): Promise<Plan>
    rollout(app: string): Promise<RolloutView>
    why(app: string, module: string, home?: string): Promise<WhyAnswer>
    /** Places a release that nobody has to have signed, given as its payload; changes nothing. */
    dryRun(payload: Uint8Array): Promise<Plan>
    push(push: Push, by: Caller): Promise<PushAnswer>
    /** Without a number: to the release that ran before the present one. */
    rollback(app: string, number: number | undefined, by: Caller): Promise<PushAnswer>
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
