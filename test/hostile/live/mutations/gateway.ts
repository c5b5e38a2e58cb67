// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is source text.

import { type Mutation, one, unless, without } from './kit.ts'

const joining = 'agent/join/join.ts'
const gatekeeper = 'gateway/broker/gatekeeper.ts'
const access = 'gateway/broker/access.ts'
const enrol = 'gateway/enrol/join.ts'
const accept = 'gateway/push/accept.ts'

/** Who joins, connects, calls and pushes, as the gateway judges it. */
export const gatewayMutations: readonly Mutation[] = [
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
