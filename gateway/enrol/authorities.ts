import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { type Authority, certificateFingerprint, loadAuthority } from './ca.ts'

// The folder `gateway/` of a home has `ca.pem` and `ca.key`, made with the fleet, and `ca-ID.pem` and `ca-ID.key` of each authority that took its place.

export interface AuthorityFile {
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly fingerprint: string
  readonly certificate: string
  /** Where its key is; null where only the certificate is left. */
  readonly keyPath: string | null
  readonly path: string
}

/** Where a new authority's files go. */
export function authorityPaths(
  folder: string,
  fingerprint: string,
): { readonly certificate: string; readonly key: string } {
  const name = join(folder, `ca-${fingerprint.slice(0, 16)}`)
  return { certificate: `${name}.pem`, key: `${name}.key` }
}

/** The authorities in a folder, the one that the fleet was made with first. Throws `ca-unusable` for a file that holds no certificate. */
export function authorityFiles(folder: string): AuthorityFile[] {
  const names = readdirSync(folder).filter((name) => /^ca(-[0-9a-f]{16})?\.pem$/.test(name))
  return names
    .sort((a, b) => a.length - b.length || a.localeCompare(b))
    .map((name) => {
      const path = join(folder, name)
      const keyPath = path.replace(/\.pem$/, '.key')
      const certificate = readFileSync(path, 'utf8')
      try {
        const fingerprint = certificateFingerprint(certificate)
        return { fingerprint, certificate, path, keyPath: existsSync(keyPath) ? keyPath : null }
      } catch (cause) {
        throw new HyphaError('ca-unusable', `${path} holds no certificate`, { where: path, cause })
      }
    })
}

/** The authority whose certificates a gateway shows and issues by root metadata. Throws `ca-unusable` where the files of none that it names are here. [P 5.9] */
export function chooseAuthority(
  files: readonly AuthorityFile[],
  { version, authorities }: Pick<RootMetadata, 'version' | 'authorities'>,
  folder: string,
): AuthorityFile & { readonly keyPath: string } {
  const usable = files.filter((file): file is AuthorityFile & { keyPath: string } => file.keyPath !== null)
  const first = join(folder, 'ca.pem')
  const found =
    authorities === null
      ? usable.find(({ path }) => path === first)
      : authorities.map((digest) => usable.find((file) => file.fingerprint === toHex(digest))).find(Boolean)
  if (found) return found
  const wanted = authorities === null ? `${first} with its key` : authorities.map(toHex).join(' or ')
  throw new HyphaError(
    'ca-unusable',
    `Root metadata version ${version} asks for a certificate authority that is not here: ${wanted}`,
    {
      where: folder,
      mend: 'Bring its files back from a backup, or make another: hypha ca rotate.',
    },
  )
}

/** The gateway's certificate authority, which is another one once root metadata names another. */
export class Authorities {
  readonly #folder: string
  readonly #fleet: string
  #current: Authority

  private constructor(folder: string, fleet: string, current: Authority) {
    this.#folder = folder
    this.#fleet = fleet
    this.#current = current
  }

  /** Throws `ca-unusable`. */
  static async open(folder: string, fleet: string, root: RootMetadata): Promise<Authorities> {
    return new Authorities(folder, fleet, await load(folder, fleet, root))
  }

  /** Answers whether another authority vouches for the gateway from now on. Throws `ca-unusable`; the one before stays then. */
  async follow(root: RootMetadata): Promise<boolean> {
    const next = await load(this.#folder, this.#fleet, root)
    if (next.fingerprint === this.#current.fingerprint) return false
    this.#current = next
    return true
  }

  /** Throws `ca-unusable` for root metadata that names none of which the files are here: nodes would follow it, and believe nobody. */
  check(root: RootMetadata): void {
    chooseAuthority(authorityFiles(this.#folder), root, this.#folder)
  }

  /** Whichever it is at the time of the call. */
  readonly authority: Authority = delegating(() => this.#current)

  /**
   * PEM: those whose certificates nodes and clients may show, the current one first. Those of before stay among them: whom the broker lets in is decided by the very
   * certificate that the gateway has recorded, so that a stolen authority lets in nobody, and a client with a certificate of before need not be cut off.
   */
  get ofClients(): string {
    const { fingerprint, certificate } = this.#current
    const others = authorityFiles(this.#folder).filter((file) => file.fingerprint !== fingerprint)
    return [certificate, ...others.map((file) => file.certificate)].join('')
  }
}

async function load(folder: string, fleet: string, root: RootMetadata): Promise<Authority> {
  const { certificate, keyPath } = chooseAuthority(authorityFiles(folder), root, folder)
  return loadAuthority(fleet, { certificate, key: readFileSync(keyPath, 'utf8') })
}

const delegating = (current: () => Authority): Authority => ({
  get fleet() {
    return current().fleet
  },
  get certificate() {
    return current().certificate
  },
  get fingerprint() {
    return current().fingerprint
  },
  exportKey: () => current().exportKey(),
  issueServer: (request) => current().issueServer(request),
  issueNode: (request) => current().issueNode(request),
  issueSite: (request) => current().issueSite(request),
  issueClient: (request) => current().issueClient(request),
})
