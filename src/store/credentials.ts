import { AppError } from '../errors.ts'
import type { PublicKey } from '../security/client-keys.ts'
import type { SignatureHash } from '../security/request-signature.ts'
import type { Query } from './database.ts'

/** What a consumer can prove itself with. A certificate proves nothing alone: it binds what the others prove to a connection. */
export const credentialKinds = ['secret', 'signing', 'key', 'certificate'] as const
export type CredentialKind = (typeof credentialKinds)[number]

/** A credential as it is listed: nothing of it but how it is told from others, and when it was made, used and retired. */
export interface Credential {
  readonly kind: CredentialKind
  readonly fingerprint: string
  readonly digest: SignatureHash | null
  readonly createdAt: Date
  readonly createdBy: string
  /** To the minute. */
  readonly lastUsedAt: Date | null
  readonly retiredAt: Date | null
}

export interface NewCredential {
  readonly kind: CredentialKind
  readonly fingerprint: string
  /** Keyed hash of a client secret, in hexadecimal. */
  readonly secretHash?: string
  /** A signing secret, and the hash that its owner signs with. */
  readonly sealed?: Uint8Array
  readonly digest?: SignatureHash
  readonly publicKey?: PublicKey
}

/** The lowest of the two places that is free; none where both are taken. The consumer's row is locked, so nobody takes it meanwhile. */
const FREE_PLACE = `select min(place) as place from (values (1), (2)) as places (place)
  where not exists (select from credential as taken
                     where taken.consumer_id = $1 and taken.kind = $2 and taken.place = places.place and taken.retired_at is null)`

/**
 * Keeps a credential of a consumer. Throws CREDENTIALS_FULL where two of its kind live, CREDENTIAL_EXISTS where the consumer has
 * or had it.
 */
export async function insertCredential(
  query: Query,
  consumerId: number,
  { kind, fingerprint, secretHash, sealed, digest, publicKey }: NewCredential,
  createdBy: string,
): Promise<void> {
  await query('select from consumer where consumer_id = $1 for update', [consumerId])
  const [free] = await query<{ place: number | null }>(FREE_PLACE, [consumerId, kind])
  if (free === undefined || free.place === null)
    throw new AppError('CREDENTIALS_FULL', `two of kind ${kind} live; retire one of them first`)
  const inserted = await query(
    `insert into credential (consumer_id, kind, place, fingerprint, secret_hash, sealed, digest, public_key, created_by)
       values ($1, $2, $3, $4, decode($5, 'hex'), $6, $7, $8, $9)
       on conflict (consumer_id, fingerprint) do nothing returning 1`,
    [consumerId, kind, free.place, fingerprint, secretHash, sealed, digest, publicKey, createdBy],
  )
  if (inserted.length === 0) throw new AppError('CREDENTIAL_EXISTS', fingerprint)
}

/** All credentials of a consumer, living and retired, in the order in which they were made. */
export async function listCredentials(query: Query, consumerId: number): Promise<readonly Credential[]> {
  return query<Credential>(
    `select kind, fingerprint, digest, created_at as "createdAt", created_by as "createdBy", last_used_at as "lastUsedAt",
            retired_at as "retiredAt"
       from credential where consumer_id = $1 order by credential_id limit 5000`,
    [consumerId],
  )
}

/** Ends a credential for good, and forgets its secret; the tokens that came of it end with it. Throws CREDENTIAL_UNKNOWN. */
export async function retireCredential(query: Query, consumerId: number, fingerprint: string): Promise<CredentialKind> {
  const [retired] = await query<{ kind: CredentialKind }>(
    `update credential set retired_at = clock_timestamp(), secret_hash = null, sealed = null
      where consumer_id = $1 and fingerprint = $2 and retired_at is null returning kind`,
    [consumerId, fingerprint],
  )
  if (retired === undefined) throw new AppError('CREDENTIAL_UNKNOWN', fingerprint)
  return retired.kind
}

/** Writes down that a credential was used. To the minute: a row that every request writes would hold up all of them. */
export async function noteUse(query: Query, credentialId: number): Promise<void> {
  await query(
    `update credential set last_used_at = clock_timestamp()
      where credential_id = $1 and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')`,
    [credentialId],
  )
}

/** The SHA-256 thumbprints of the certificates of `consumer` that live. */
export const LIVE_CERTIFICATES = `array(select fingerprint from credential as certificate
  where certificate.consumer_id = consumer.consumer_id and certificate.kind = 'certificate' and certificate.retired_at is null)`

/** A living credential that something is checked against. */
export interface LiveCredential {
  readonly consumerId: number
  readonly credentialId: number
  /** Thumbprints of the certificates that the consumer has to connect with, any of them; where there is none, with any or none. */
  readonly certificates: readonly string[]
}

export interface SigningCredential extends LiveCredential {
  readonly sealed: Uint8Array
  readonly digest: SignatureHash
}

export interface KeyCredential extends LiveCredential {
  readonly publicKey: PublicKey
}

const findLive = <Found extends LiveCredential>(query: Query, name: string, kind: CredentialKind, columns: string) =>
  query<Found>(
    `select consumer_id as "consumerId", credential_id as "credentialId", ${LIVE_CERTIFICATES} as certificates, ${columns}
       from consumer join credential using (consumer_id)
      where name = $1 and kind = $2 and retired_at is null order by place`,
    [name, kind],
  )

/** The living signing secrets of the consumer of this name; none where there is no such consumer. */
export const findSigningSecrets = (query: Query, name: string): Promise<readonly SigningCredential[]> =>
  findLive<SigningCredential>(query, name, 'signing', 'sealed, digest')

/** The living public keys of the consumer of this name; none where there is no such consumer. */
export const findPublicKeys = (query: Query, name: string): Promise<readonly KeyCredential[]> =>
  findLive<KeyCredential>(query, name, 'key', 'public_key as "publicKey"')
