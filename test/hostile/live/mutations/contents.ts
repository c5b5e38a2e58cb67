// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is source text.

import { type Mutation, one, unless, without } from './kit.ts'

const rules = 'src/trust/rules.ts'
const cose = 'src/trust/cose-parse.ts'
const cbor = 'src/bytes/cbor.ts'
const runnable = 'agent/verify/runnable.ts'
const receiver = 'agent/receive/receiver.ts'

const hostOrModule = "ofHost !== (provider.kind === 'host')"
const exportsIt = '!callee?.world.exports.some((exported) => withoutVersion(exported.name) === withoutVersion(wanted))'

/** Releases and contents at the node, and the bytes that they come in. */
export const contentMutations: readonly Mutation[] = [
  one(
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
]
