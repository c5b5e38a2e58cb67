import { nodeCrypto as crypto } from '@hypha/core/platform/crypto.ts'
import { type Signer, seedSigner, signMany, signOne } from '@hypha/core/trust/cose.ts'
import { type Content, type Directive, directive, type Section } from '@hypha/core/trust/directive.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
import { type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import { extractCore } from '@hypha/core/wasm/extract.ts'
import { bytesOf, type Facts, victim } from './fixture.ts'

/** A signed release, and the contents that nodes need of it. */
export interface Signed {
  readonly release: Release
  readonly payload: Uint8Array
  readonly envelope: Uint8Array
}

const dayMs = 86_400_000

export const sha256 = (bytes: Uint8Array): Uint8Array => crypto.sha256(bytes)

/** A content that travels as it is. */
export const whole = (bytes: Uint8Array): Content => {
  const digest = sha256(bytes)
  const size = bytes.length
  return { digest, size, transfer: { encoding: 'identity', base: null, via: null, digest, size } }
}

/** What an attacker makes, with whichever keys he has. */
export class Forge {
  readonly fleet: string
  readonly root: Signer
  readonly release: Signer
  readonly gateway: Signer
  /** A key that nobody trusts. */
  readonly stranger: Signer = seedSigner(new Uint8Array(32).fill(66), crypto)
  readonly core: Uint8Array
  readonly component: Uint8Array
  /** The author's own releases 1, 2 and 3, by number. */
  readonly genuine: ReadonlyMap<number, Signed>
  #spies = 0

  constructor({ fleet, keys, releases, component }: Facts) {
    const open = (seed: string) => seedSigner(bytesOf(seed), crypto)
    this.fleet = fleet
    this.root = open(keys.root)
    this.release = open(keys.release)
    this.gateway = open(keys.gateway)
    this.component = bytesOf(component)
    this.core = extractCore(this.component)!
    this.genuine = new Map(
      releases.map(({ number, payload, envelope }) => [
        number,
        { release: release.decode(bytesOf(payload)), payload: bytesOf(payload), envelope: bytesOf(envelope) },
      ]),
    )
  }

  /** A release like the author's third, with changes; by whoever signs. */
  signRelease(changes: Partial<Release>, signers: readonly Signer[] = [this.release]): Signed {
    const made: Release = { ...this.genuine.get(3)!.release, ...changes }
    const payload = release.encode(made)
    return { release: made, payload, envelope: signMany(payload, 'release', signers) }
  }

  /** A release of another app that emits 666 for the metric `level`: whether it ran shows. */
  spyware(signers: readonly Signer[], changes: Partial<Release> = {}): Signed {
    const [module] = this.genuine.get(3)!.release.modules
    const modules = [{ ...module!, spec: { ...module!.spec, config: { level: '666' } } }]
    // Each another app: what the node says of one is never what it said of another.
    return this.signRelease({ app: `spy-${++this.#spies}`, number: 1, floor: 0, modules, ...changes }, signers)
  }

  /** The section that asks for a release as a gateway would. */
  section(signed: Signed, changes: Partial<Section> = {}): Section {
    const { release: made, payload, envelope } = signed
    const instances = made.modules.slice(0, 1).map(({ name, world }) => ({
      module: name,
      home: null,
      form: 'core' as const,
      links: world.imports.map((imported) => ({ interface: imported.name, provider: { kind: 'host' as const } })),
      config: {},
    }))
    return {
      app: made.app,
      epoch: 1,
      release: sha256(payload),
      envelope: sha256(envelope),
      phase: 'run',
      wave: null,
      chosenMs: null,
      served: null,
      leased: null,
      devices: null,
      states: null,
      instances,
      contents: [whole(envelope), whole(this.core)],
      ...changes,
    }
  }

  directive(changes: Partial<Directive>): Directive {
    const now = Date.now()
    return {
      fleet: this.fleet,
      node: victim,
      version: 1,
      issuedMs: now,
      expiresMs: now + 30 * dayMs,
      sections: [],
      leave: false,
      ...changes,
    }
  }

  signDirective(value: Directive, by: Signer = this.gateway): Uint8Array {
    return signOne(directive.encode(value), 'directive', by)
  }

  signRoot(value: RootMetadata, signers: readonly Signer[]): Uint8Array {
    return signMany(rootMetadata.encode(value), 'root', signers)
  }

  /** A key that the operator makes later on. */
  newKey(byte: number): Signer {
    return seedSigner(new Uint8Array(32).fill(byte), crypto)
  }
}

export const only = (signer: Signer) => ({ threshold: 1, keys: [signer.publicKey] })
