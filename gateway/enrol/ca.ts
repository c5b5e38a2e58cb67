// x509's dependency injection needs it before anything else of it is loaded.
import 'reflect-metadata'
import { createHash, type KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { ed25519Spki } from '@hypha/core/bytes/ed25519.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { checkId } from '@hypha/core/wire/ids.ts'
import * as x509 from '@peculiar/x509'

/** What a certificate is for. It stands in the subject's OU, and the broker asks for it: a node's name opens nothing to a client of that name. */
type CertificateKind = 'node' | 'client' | 'gateway' | 'site'

export interface Issued {
  /** The certificate alone, PEM. */
  readonly certificate: string
  /** SHA-256 of its DER, lower-case hex. */
  readonly fingerprint: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

interface IssuedWithKey extends Issued {
  /** PKCS #8, PEM. It exists only here: the gateway keeps no copy of a client's key. */
  readonly key: string
}

/** The gateway's own certificate authority: one a fleet. */
export interface Authority {
  readonly fleet: string
  /** The CA's certificate, PEM. */
  readonly certificate: string
  /** SHA-256 of the CA certificate's DER, lower-case hex: what a join URL pins. */
  readonly fingerprint: string
  /** The CA's private key, PKCS #8 PEM, for the caller to keep. */
  exportKey(): Promise<string>
  /** For the gateway's own TLS servers. `certificate` is the chain, CA included, so that a joining node sees the CA that it pins. */
  issueServer(request: { names: readonly string[]; days?: number }): Promise<IssuedWithKey>
  /** For a node's Ed25519 key (32 raw bytes). Its possession must have been proven (`handleJoin`). */
  issueNode(request: { id: string; publicKey: Uint8Array; days?: number }): Promise<Issued>
  /** For the Ed25519 key of a gateway that joins this one as a site. Its possession must have been proven. */
  issueSite(request: { site: string; publicKey: Uint8Array; days?: number }): Promise<Issued>
  /** For a foreign MQTT client such as mosquitto's, with a new key. */
  issueClient(request: { name: string; days?: number }): Promise<IssuedWithKey>
}

/** What the caller persists, the key where nobody else reads it. */
export interface AuthorityFiles {
  readonly certificate: string
  readonly key: string
}

const certificateDays = { authority: 365 * 30, server: 365 * 5, node: 365, site: 365, client: 365 } as const

// P-256 for what foreign TLS stacks must verify; the nodes' own keys are Ed25519.
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000

/**
 * Certificates are valid from the start of Unix time on: a board without a battery-backed clock wakes up in 1970, and must be able to connect
 * before it learns what time it is.
 */
const notBefore = new Date(0)

/** Makes a new authority. Throws `id-invalid` for a name that can't be a fleet's. */
export async function createAuthority(fleet: string, now: () => number = Date.now): Promise<Authority> {
  checkId('fleet', fleet)
  const keys = (await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subject(fleet, `hypha CA of ${fleet}`),
    notBefore,
    notAfter: new Date(now() + certificateDays.authority * dayMs),
    keys,
    signingAlgorithm: keyAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return authority(fleet, certificate, keys.privateKey, now)
}

/** An authority from what was persisted. Throws `ca-unusable` when the files don't belong together or aren't of this fleet. */
export async function loadAuthority(
  fleet: string,
  files: AuthorityFiles,
  now: () => number = Date.now,
): Promise<Authority> {
  try {
    const certificate = new x509.X509Certificate(files.certificate)
    const der = x509.PemConverter.decodeFirst(files.key)
    const key = await webcrypto.subtle.importKey('pkcs8', der, keyAlgorithm, true, ['sign'])
    const loaded = authority(fleet, certificate, key, now)
    // A throw-away certificate proves that key and certificate belong together.
    const probe = await loaded.issueClient({ name: 'probe', days: 1 })
    if (!new X509Certificate(probe.certificate).verify(publicKeyOf(files.certificate))) {
      throw new Error("the key is not the certificate's")
    }
    if (certificate.subjectName.getField('O')[0] !== fleet) throw new Error(`the certificate is not of fleet ${fleet}`)
    return loaded
  } catch (cause) {
    throw new HyphaError('ca-unusable', `The CA of ${fleet} can't be used: ${(cause as Error).message}`, { cause })
  }
}

/** The public key of a PEM certificate. */
const publicKeyOf = (pem: string): KeyObject => new X509Certificate(pem).publicKey

/** SHA-256 over a certificate's DER, lower-case hex. */
export function certificateFingerprint(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')
}

function authority(fleet: string, ca: x509.X509Certificate, caKey: webcrypto.CryptoKey, now: () => number): Authority {
  const caPem = `${ca.toString('pem')}\n`

  async function issue(
    kind: CertificateKind,
    name: string,
    publicKey: webcrypto.CryptoKey,
    days: number,
    alternative: x509.JsonGeneralNames = [],
  ): Promise<Issued> {
    const expiresAt = Math.min(now() + days * dayMs, ca.notAfter.getTime())
    const usage = kind === 'gateway' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: subject(fleet, name, kind),
      issuer: ca.subjectName,
      notBefore,
      notAfter: new Date(expiresAt),
      publicKey,
      signingKey: caKey,
      signingAlgorithm: keyAlgorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
        ...(alternative.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternative)] : []),
      ],
    })
    const pem = `${certificate.toString('pem')}\n`
    return { certificate: pem, fingerprint: certificateFingerprint(pem), expiresAt: certificate.notAfter.getTime() }
  }

  async function withNewKey(make: (publicKey: webcrypto.CryptoKey) => Promise<Issued>): Promise<IssuedWithKey> {
    const keys = (await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
    return { ...(await make(keys.publicKey)), key: await privateKeyPem(keys.privateKey) }
  }

  return {
    fleet,
    certificate: caPem,
    fingerprint: certificateFingerprint(caPem),
    exportKey: () => privateKeyPem(caKey),

    async issueServer({ names, days = certificateDays.server }) {
      if (names.length === 0) throw new HyphaError('ca-unusable', "A server's certificate needs a name or an address")
      const alternative = names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value }))
      const issued = await withNewKey((key) => issue('gateway', 'gateway', key, days, alternative))
      return { ...issued, certificate: issued.certificate + caPem }
    },

    async issueNode({ id, publicKey, days = certificateDays.node }) {
      return issue('node', checkId('node', id), await importEd25519(publicKey), days)
    },

    async issueSite({ site, publicKey, days = certificateDays.site }) {
      return issue('site', checkId('site', site), await importEd25519(publicKey), days)
    },

    async issueClient({ name, days = certificateDays.client }) {
      return withNewKey((key) => issue('client', checkId('client', name), key, days))
    },
  }
}

const importEd25519 = (publicKey: Uint8Array) =>
  webcrypto.subtle.importKey('spki', ed25519Spki(publicKey), { name: 'Ed25519' }, true, ['verify'])

function subject(fleet: string, name: string, kind?: CertificateKind): x509.JsonName {
  return [{ O: [fleet] }, ...(kind ? [{ OU: [kind] }] : []), { CN: [name] }]
}

/** 128 random bits; the first byte makes the number positive and of full length (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}
