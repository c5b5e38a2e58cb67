// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is source text.

import { type Mutation, one, unless, without } from './kit.ts'

const rules = 'src/trust/rules.ts'
const rootChain = 'src/trust/root-chain.ts'
const shape = 'src/trust/shape.ts'

const beforeRoot =
  "const payload = verifyThreshold(opened, 'root', current.root, `root (version ${current.version})`, crypto)"
const ownRoot = "verifyThreshold(opened, 'root', root.root, 'root (its own)', crypto)"

/** Root metadata and directives, as a node judges them. */
export const trustMutations: readonly Mutation[] = [
  one(
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
  ),

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
]
