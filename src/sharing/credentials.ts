import { randomBytes } from 'node:crypto'
import { sealSigningSecret } from '../security/client-signatures.ts'
import { readPublicKey } from '../security/client-keys.ts'
import type { KeyRing } from '../security/key-ring.ts'
import type { SignatureHash } from '../security/request-signature.ts'
import { findConsumer } from '../store/consumers.ts'
import { insertCredential, retireCredential, type CredentialKind, type NewCredential } from '../store/credentials.ts'
import type { Transaction } from '../store/database.ts'

/** A credential that somebody asks for. Secrets are made here; keys and certificates are the client's own. */
export type CredentialRequest =
  | { readonly kind: 'secret' }
  | { readonly kind: 'signing'; readonly digest: SignatureHash }
  | { readonly kind: 'key'; readonly publicKey: Readonly<Record<string, unknown>> }
  /** Base64url of the SHA-256 of the certificate in DER form. */
  | { readonly kind: 'certificate'; readonly thumbprint: string }

export interface MadeCredential {
  readonly consumer: string
  readonly kind: CredentialKind
  readonly fingerprint: string
  /** Shown once; null for a key and a certificate, whose secret part never was here. */
  readonly secret: string | null
}

interface Owner {
  readonly name: string
  readonly keys: KeyRing
}

interface Minted {
  readonly credential: NewCredential
  readonly secret: string | null
}

/** 64 bits of a keyed hash: enough to tell secrets apart, and of no use without the key. */
const FINGERPRINT_LETTERS = 16

function mintSecret({ keys }: Owner): Minted {
  const secret = randomBytes(32).toString('base64url')
  const secretHash = keys.token('credential', secret)
  const fingerprint = secretHash.slice(0, FINGERPRINT_LETTERS)
  return { credential: { kind: 'secret', fingerprint, secretHash }, secret }
}

function mintSigning({ name, keys }: Owner, digest: SignatureHash): Minted {
  const secret = randomBytes(32).toString('base64url')
  const fingerprint = keys.token('credential', secret).slice(0, FINGERPRINT_LETTERS)
  const sealed = sealSigningSecret(keys, name, secret)
  return { credential: { kind: 'signing', fingerprint, sealed, digest }, secret }
}

async function mint(owner: Owner, request: CredentialRequest): Promise<Minted> {
  if (request.kind === 'secret') return mintSecret(owner)
  if (request.kind === 'signing') return mintSigning(owner, request.digest)
  if (request.kind === 'certificate')
    return { credential: { kind: 'certificate', fingerprint: request.thumbprint }, secret: null }
  return { credential: { kind: 'key', ...(await readPublicKey(request.publicKey)) }, secret: null }
}

export interface CredentialWork {
  readonly transaction: Transaction
  readonly keys: KeyRing
  readonly actor: string
}

/**
 * Gives a consumer a credential beside the one of this kind that it may have, and writes it into the audit log. Throws
 * CONSUMER_UNKNOWN, CREDENTIALS_FULL, CREDENTIAL_EXISTS, and REQUEST_INVALID for a key that will not do.
 */
export async function giveCredential(
  { transaction: { query, audit }, keys, actor }: CredentialWork,
  name: string,
  request: CredentialRequest,
): Promise<MadeCredential> {
  const { consumerId } = await findConsumer(query, name)
  const { credential, secret } = await mint({ name, keys }, request)
  const { kind, fingerprint } = credential
  await insertCredential(query, consumerId, credential, actor)
  const details = { kind, fingerprint }
  await audit({ type: 'credential.made', actor, outcome: 'ok', object: `consumer/${name}`, details })
  return { consumer: name, kind, fingerprint, secret }
}

/**
 * Ends a credential of a consumer and the tokens that came of it, at once and for good, and writes it into the audit log. Throws
 * CONSUMER_UNKNOWN, CREDENTIAL_UNKNOWN.
 */
export async function endCredential(
  { transaction: { query, audit }, actor }: Omit<CredentialWork, 'keys'>,
  name: string,
  fingerprint: string,
): Promise<CredentialKind> {
  const { consumerId } = await findConsumer(query, name)
  const kind = await retireCredential(query, consumerId, fingerprint)
  const details = { kind, fingerprint }
  await audit({ type: 'credential.retired', actor, outcome: 'ok', object: `consumer/${name}`, details })
  return kind
}
