// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is source text.

/** One place in the source: `find` stands in `file` exactly once. */
interface Cut {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A check, how to take it out, and the rows that then aren't refused as they should be any more: exactly these. */
export interface Mutation {
  readonly name: string
  readonly cuts: readonly Cut[]
  /** Names of rows, or the beginning of names with a star at the end. */
  readonly fails: readonly string[]
  /** Why no row fails where one might expect it: what else stands behind the check. Taking out both is a mutation of its own. */
  readonly backedBy?: string
}

const rules = 'src/trust/rules.ts'
const rootChain = 'src/trust/root-chain.ts'
const shape = 'src/trust/shape.ts'
const cose = 'src/trust/cose-parse.ts'
const cbor = 'src/bytes/cbor.ts'
const runnable = 'agent/verify/runnable.ts'
const receiver = 'agent/receive/receiver.ts'
const joining = 'agent/join/join.ts'
const gatekeeper = 'gateway/broker/gatekeeper.ts'
const access = 'gateway/broker/access.ts'
const enrol = 'gateway/enrol/join.ts'
const accept = 'gateway/push/accept.ts'
const hub = 'gateway/uplink/site-hub.ts'
const siteJoin = 'gateway/uplink/site-join.ts'
const forwarded = 'gateway/store/forwarded.ts'

const one = (name: string, file: string, find: string, replace: string, ...fails: readonly string[]): Mutation => ({
  name,
  cuts: [{ file, find, replace }],
  fails,
})

/** Takes out a check that throws where a condition holds. */
const unless = (name: string, file: string, condition: string, ...fails: readonly string[]): Mutation =>
  one(name, file, `if (${condition})`, `if (false && (${condition}))`, ...fails)

/** Takes out a whole statement. */
const without = (name: string, file: string, statement: string, ...fails: readonly string[]): Mutation =>
  one(name, file, statement, '', ...fails)

const hostOrModule = "ofHost !== (provider.kind === 'host')"
const exportsIt = '!callee?.world.exports.some((exported) => withoutVersion(exported.name) === withoutVersion(wanted))'
const beforeRoot =
  "const payload = verifyThreshold(opened, 'root', current.root, `root (version ${current.version})`, crypto)"
const ownRoot = "verifyThreshold(opened, 'root', root.root, 'root (its own)', crypto)"

const directiveSignature: Mutation = one(
  'signature of a directive',
  rules,
  "const payload = verifyThreshold(opened, 'directive', this.#root.gateway, 'gateway', this.#crypto)",
  'const payload = opened.unverifiedPayload',
  'arbitrary/stranger',
  'arbitrary/altered',
  'arbitrary/borrowed-kid',
  'fast-forward/stranger',
  'fast-forward/stolen-gateway-key',
  'key-compromise/release-key-directs',
  'key-compromise/root-key-directs',
  'key-compromise/replaced-gateway-key',
)

const releaseSignature: Mutation = one(
  'signature of a release, at the node',
  rules,
  "const payload = verifyThreshold(opened, 'release', this.#root.release, 'release', this.#crypto)",
  'const payload = opened.unverifiedPayload',
  'arbitrary/release-by-stranger',
  'arbitrary/release-altered',
  'key-compromise/gateway-key-releases',
  'key-compromise/root-key-releases',
  'key-compromise/one-of-two-release-keys',
  'key-compromise/replaced-release-key',
)

export const mutations: readonly Mutation[] = [
  directiveSignature,
  releaseSignature,

  // Root metadata
  one(
    "signature of root metadata by the one before's threshold",
    rootChain,
    beforeRoot,
    'const payload = opened.unverifiedPayload',
    'key-compromise/root-by-its-own-alone',
    'side-door/gateway-key-raises-itself',
    'uplink/forged-authority',
  ),
  {
    name: 'both signatures of root metadata',
    cuts: [
      { file: rootChain, find: beforeRoot, replace: 'const payload = opened.unverifiedPayload' },
      { file: rootChain, find: ownRoot, replace: '' },
    ],
    fails: [
      'arbitrary/root-by-stranger',
      'key-compromise/gateway-key-roots',
      'side-door/gateway-key-raises-itself',
      'key-compromise/release-key-roots',
      'key-compromise/root-by-its-own-alone',
      'key-compromise/root-unproven-key',
      'key-compromise/one-of-three-root-keys',
      'side-door/root-through-api',
      'uplink/forged-authority',
    ],
  },
  without('signature of root metadata by its own threshold', rootChain, ownRoot, 'key-compromise/root-unproven-key'),
  unless('version of root metadata', rootChain, 'root.version !== current.version + 1', 'fast-forward/root-jump'),
  one('fleet of root metadata', rootChain, 'if (root.fleet === fleet) return', 'return', 'wrong/root-of-other-fleet'),
  without(
    'expiry of root metadata',
    rules,
    'checkExpiry(`Root metadata version ${root.version}`, root.expiresMs, Math.max(clockMs, snapshot.gatewayTimeMs))',
    'freeze/root-expired',
  ),
  unless(
    'one key in two roles',
    shape,
    '[...root.root.keys, ...root.release.keys].some((key) => online.has(toHex(key)))',
    'key-compromise/one-key-in-two-roles',
  ),
  unless('soundness of keys', shape, '!keys.every(isSoundPublicKey)', 'key-compromise/weak-key'),
  one(
    'what is forgotten with a replaced key',
    rules,
    'const gateway = lostKey(before.gateway, after.gateway) ?',
    'const gateway = false ?',
    'fast-forward/stolen-gateway-key',
    // What it brought stays the node's, which then follows no other.
    'key-compromise/replaced-gateway-key',
    'key-compromise/replaced-release-key',
  ),

  // Directives
  without(
    'fleet of a directive',
    rules,
    "checkFleet('The directive', read.fleet, this.#snapshot.fleet)",
    'wrong/fleet',
  ),
  unless('node of a directive', rules, 'read.node !== this.#snapshot.node', 'wrong/node'),
  unless(
    'version of a directive: lower',
    rules,
    'held && next.version < held.version',
    'rollback/replayed',
    'rollback/lower-version',
  ),
  unless('version of a directive: the same', rules, 'held && next.version === held.version', 'rollback/same-version'),
  without('epochs of a directive', rules, 'if (held) checkRising(held, next)', 'rollback/epoch'),
  without(
    'expiry of a directive',
    rules,
    'checkExpiry(`Directive ${next.version}`, next.expiresMs, nowMs)',
    'freeze/expired',
  ),
  without(
    'shape of a directive',
    rules,
    'checkDirective(read)',
    'freeze/impossible-times',
    'mix-and-match/two-sections',
    'mix-and-match/two-instances',
    'mix-and-match/leave-and-run',
  ),

  // Releases and contents, at the node
  {
    ...without(
      'digest of a release envelope',
      rules,
      'this.#checkDigest(`The release envelope of ${app}`, envelope, section.envelope)',
    ),
    backedBy: 'contents are read from the disk by their digest, and hashed as they are read',
  },
  without(
    'digest of a release',
    rules,
    'this.#checkDigest(`The release of ${app}`, payload, section.release)',
    'mix-and-match/release-and-envelope',
  ),
  without(
    'fleet of a release',
    rules,
    'checkFleet(`The release of ${app}`, accepted.fleet, this.#snapshot.fleet)',
    'wrong/release-of-other-fleet',
  ),
  unless('app of a release', rules, 'accepted.app !== app', 'wrong/app'),
  without('shape of a release, at the node', rules, 'checkRelease(accepted)', 'mix-and-match/module-twice'),
  unless(
    'floor, at the node',
    rules,
    'accepted.number < this.floor(app)',
    'rollback/below-floor',
    'rollback/floor-lowered-first',
  ),
  one(
    'that a floor only rises, at the node',
    rules,
    'if (floor <= this.floor(app)) return',
    '',
    'rollback/floor-lowered-first',
  ),
  without(
    'a section held against its release',
    rules,
    'checkSection(section, accepted)',
    'extraneous/content',
    'mix-and-match/missing-content',
  ),
  unless(
    'links to what is not imported',
    runnable,
    '!imports.has(link.interface)',
    'extraneous/link',
    'side-door/network',
  ),
  {
    ...unless('who serves a link', runnable, hostOrModule),
    backedBy: 'a module that is to serve an interface has to export it',
  },
  {
    name: 'who serves a link, and whether it can',
    cuts: [
      { file: runnable, find: `if (${hostOrModule})`, replace: 'if (false)' },
      { file: runnable, find: `if (${exportsIt})`, replace: 'if (false)' },
    ],
    fails: ['extraneous/module-for-host'],
  },
  unless('links that are missing', runnable, 'missing.length > 0', 'mix-and-match/unlinked'),
  {
    ...one(
      'cap of what a transfer decompresses to',
      'src/platform/compress.ts',
      ', maxOutputLength: Math.max(1, maxBytes) }',
      ' }',
    ),
    backedBy: 'what came out is measured once more; the cap is there to spare the memory',
  },
  {
    ...unless(
      'digest of a transfer',
      receiver,
      'bytes.length !== transfer.size || !bytesEqual(crypto.sha256(bytes), transfer.digest)',
    ),
    backedBy: 'what it decodes to has a digest of its own',
  },

  {
    name: 'digest of a transfer, and of what it decodes to',
    cuts: [
      {
        file: receiver,
        find: 'if (bytes.length !== transfer.size || !bytesEqual(crypto.sha256(bytes), transfer.digest))',
        replace: 'if (false)',
      },
      { file: receiver, find: 'if (!bytesEqual(crypto.sha256(whole), content.digest))', replace: 'if (false)' },
    ],
    fails: ['arbitrary/other-bytes', 'arbitrary/forged-chunks'],
  },
  one(
    'that a transfer with a wrong chunk is fetched anew',
    receiver,
    '|| attempt >= options.attempts)',
    '|| true)',
    'arbitrary/forged-chunk',
    'arbitrary/forged-chunks',
  ),

  // Bytes
  unless(
    'cap of a message',
    'src/wire/codec.ts',
    'received.length > maxBytes',
    'endless/message-over-cap',
    'endless/root-over-cap',
  ),
  unless('depth of CBOR', cbor, 'depth > maxDepth', 'endless/cbor-nesting'),
  unless('indefinite lengths of CBOR', cbor, 'info > 27', 'endless/cbor-indefinite'),
  unless(
    'unsigned headers',
    cose,
    '!(unprotected instanceof Map) || unprotected.size !== 0',
    'arbitrary/unsigned-header',
  ),
  unless(
    'two signatures by one key',
    cose,
    'new Set(parts.map((part) => toHex(part.kid))).size !== parts.length',
    'key-compromise/one-key-signs-twice',
  ),
  unless(
    'kind of an envelope',
    cose,
    'bodyHeader.map.get(headers.contentType) !== contentType',
    'key-compromise/other-kind',
    'wrong/kind',
  ),

  // Joining
  unless('pin of root metadata', joining, 'sha256(answer.root) !== url.root', 'mirrors/other-root'),
  unless(
    'unknown and foreign tokens',
    enrol,
    "!invite || invite.node !== request.node || invite.tier === 'mcu'",
    'join/wrong-token',
    'join/token-of-another',
    'join/withdrawn',
    'join/replayed',
  ),
  unless('expiry of an invitation', enrol, 'deps.now() >= invite.expiresAt', 'join/expired'),
  unless(
    'proof of the key that joins',
    enrol,
    '!deps.crypto.verify(request.publicKey, joinProof(deps.authority.fleet, request), request.proof)',
    'join/unproven-key',
    'join/proof-for-other-fleet',
  ),
  unless('an invitation used by another key', enrol, '!same', 'join/used'),
  one(
    'proof of the key that renews',
    enrol,
    '!node || !deps.crypto.verify(node.publicKey, renewProof(deps.authority.fleet, request.node), request.proof)',
    '!node',
    'renew/by-another',
  ),
  unless('renewal of a revoked node', enrol, 'node.refused', 'renew/revoked'),
  unless('rate of renewals', enrol, 'deps.mayRenew?.(request.node) === false', 'renew/replayed'),

  // What nodes and the gateway say of what they have
  one(
    'signature of a proof',
    'gateway/services/reports.ts',
    "directive.decode(verifyThreshold(opened, 'directive', root().gateway, 'gateway', crypto))",
    'directive.decode(opened.unverifiedPayload)',
    'arbitrary/proof',
  ),
  unless(
    'plausibility of a proof',
    'gateway/services/plausible.ts',
    'proven.version > store.directives.version(proven.node) + maxJump',
    'fast-forward/proof',
  ),
  unless(
    'that only what was sent is acknowledged',
    'agent/report/shipper.ts',
    '!journal.acknowledge(said.upTo)',
    'fast-forward/acknowledgement',
  ),

  // Broker
  unless(
    'client id against the certificate',
    gatekeeper,
    'asked?.clientId !== identity.id',
    'identity/other-node',
    'identity/empty-client-id',
    'identity/client-as-node',
  ),
  unless(
    'admission: removed, revoked, replaced',
    gatekeeper,
    'admitted !== true',
    'identity/removed-node',
    'identity/revoked-node',
    'identity/removed-client',
    'identity/cloned',
    'stranger/never-recorded',
    'stranger/never-joined',
  ),
  unless(
    'wills on topics of others',
    gatekeeper,
    '!mayLeaveWill(this.#topics, identity, will.topic)',
    'identity/will-of-other',
    'identity/will-as-gateway',
    'identity/will-of-client',
  ),
  one(
    'what a node may publish',
    access,
    "if (party.kind === 'node') return topics.mayPublish(party.id, topic)",
    "if (party.kind === 'node') return true",
    'topics/node-publish-*',
  ),
  one(
    'what a node may subscribe to',
    access,
    "if (party.kind === 'node') return mayNodeSubscribe(party.id, filter)",
    "if (party.kind === 'node') return true",
    'topics/node-subscribe-all',
    'topics/node-subscribe-one-level',
    'topics/node-subscribe-fleet',
    'topics/node-subscribe-fleet-plus',
    'topics/node-subscribe-other-fleet',
    'topics/node-subscribe-sys',
    'topics/node-subscribe-share',
    'topics/node-subscribe-nodes',
    'topics/node-subscribe-state',
    'topics/node-subscribe-presence',
    'topics/node-subscribe-up',
    'topics/node-subscribe-directive',
    'topics/node-subscribe-input',
    'topics/node-subscribe-links-of-other',
    'topics/node-subscribe-links-to-other',
    'topics/node-subscribe-broadcast',
    'topics/node-subscribe-messages',
    'topics/node-subscribe-values',
  ),
  one(
    'what a client may publish',
    access,
    "if (topics.parse(topic)?.kind !== 'message') return false\n      return grantsOf(party.id)?.write.some((grant) => filterCovers(grant, topic)) === true",
    'return true',
    'topics/client-publish-*',
  ),
  one(
    'what a client may subscribe to',
    access,
    'if (!topics.isWorld(filter)) return false\n      return grantsOf(party.id)?.read.some((grant) => filterCovers(grant, filter)) === true',
    'return true',
    'topics/client-subscribe-*',
  ),

  // Links
  unless('callers of a link', 'agent/calls/incoming.ts', 'call.from !== node && !isListed(app, call)', 'links/*'),
  without(
    'that a device speaks for itself',
    'agent/calls/served.ts',
    'if (caller.home !== null && asked.home !== caller.home) return false\n',
    'links/other-device',
  ),

  // Uplinks
  one(
    'kind of the certificate that opens an uplink',
    'gateway/uplink/site-identity.ts',
    " || OU !== 'site'",
    '',
    'uplink/node',
  ),
  one(
    'key of a site',
    hub,
    'record?.publicKey && bytesEqual(record.publicKey, publicKey)',
    'record?.publicKey',
    'uplink/other-key',
  ),
  unless('sites that were revoked', hub, 'record?.revokedAt', 'uplink/revoked'),
  one(
    'which site was asked for a stream',
    'gateway/uplink/site-streams.ts',
    'this.#pending.get(toHex(stream))?.site === site',
    'this.#pending.has(toHex(stream))',
    'uplink/stream-of-another',
  ),
  one(
    'in whose name the rows of a site are stored',
    forwarded,
    'openTelemetry(db, `${fleet}/${site}`)',
    'openTelemetry(db, fleet)',
    'uplink/rows-of-another',
  ),
  unless(
    'that the rows of a site follow each other',
    forwarded,
    'batch.after !== row.cursor || batch.upTo <= batch.after',
    'uplink/replayed',
  ),
  unless('cap of a frame', 'gateway/uplink/channel.ts', 'this.#needed > maxUplinkFrameBytes', 'uplink/over-cap'),
  unless(
    'acknowledgements that a site waits for',
    'gateway/uplink/upstream-link.ts',
    '!this.#ports.forwarder.ack(word.upTo)',
    'uplink/acknowledged-unsent',
  ),
  unless(
    'proof of the key of a site that joins',
    siteJoin,
    '!deps.crypto.verify(publicKey, siteJoinProof(deps.fleet, request), proof)',
    'uplink/unproven-key',
  ),
  unless('site of an invitation', siteJoin, 'invite?.site !== site', 'uplink/invitation-of-another'),

  // API
  one(
    'roles of tokens',
    'gateway/admin/api/permissions.ts',
    'if (byRole[caller.role].includes(needed)) return',
    'return',
    'api/viewer-pushes',
    'api/operator-pushes',
    'api/viewer-invites',
    'api/operator-makes-token',
    'api/viewer-reads-audit',
    'api/publisher-configures',
  ),
  one(
    'apps of a publisher',
    'gateway/admin/api/permissions.ts',
    'if (patterns.some((pattern) => matchesApp(pattern, app))) return',
    'return',
    'api/publisher-of-another-app',
  ),
  one(
    'signature of a release, at the gateway',
    accept,
    "const payload = signed > 0 ? opened.unverifiedPayload : verifyThreshold(opened, 'release', role, 'release', crypto)",
    'const payload = opened.unverifiedPayload',
    'arbitrary/push-by-stranger',
    'key-compromise/push-by-gateway-key',
  ),
  unless('fleet of a release, at the gateway', accept, 'accepted.fleet !== deps.fleet', 'wrong/push-of-other-fleet'),
  unless('numbers of releases', accept, 'number <= known.number', 'rollback/push-old-number'),
  unless(
    'that a floor only rises, at the gateway',
    accept,
    'floor < known.floor',
    'rollback/push-lower-floor',
    // The floor that was lowered is what the rollback after it is held to.
    'rollback/to-below-floor',
  ),
  unless('what a release says of its modules', accept, 'differs.length > 0', 'arbitrary/push-untrue'),
]

const forSuite: readonly string[] = [
  'signature of a release, at the node',
  'node of a directive',
  'what a client may publish',
  'apps of a publisher',
]

/** One of each place where attacks are refused, for the suite; all of them are for `npm run hostile -- --mutate`. */
export const representative: readonly Mutation[] = mutations.filter(({ name }) => forSuite.includes(name))
