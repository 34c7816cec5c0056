import { AppError } from '../errors.ts'
import { LIVE_CERTIFICATES } from './credentials.ts'
import { prepared, type Query } from './database.ts'

/** A consumer that can get an access token. */
export interface TokenHolder {
  readonly consumerId: number
  /** What it proved itself with. */
  readonly credentialId: number
  /** Thumbprints of the certificates that it has to connect with, any of them; where there is none, with any or none. */
  readonly certificates: readonly string[]
}

export interface SecretHolder extends TokenHolder {
  /** Keyed hash of the secret, in hexadecimal. */
  readonly secretHash: string
}

/** The holder of this name, once for each of its living secrets; none where there is none that may come in. */
export async function findSecretHolders(query: Query, name: string): Promise<readonly SecretHolder[]> {
  return query<SecretHolder>(
    `select consumer_id as "consumerId", credential_id as "credentialId", ${LIVE_CERTIFICATES} as certificates,
            encode(secret_hash, 'hex') as "secretHash"
       from consumer join credential using (consumer_id)
      where name = $1 and credential.kind = 'secret' and retired_at is null`,
    [name],
  )
}

export interface NewToken {
  readonly tokenHash: string
  readonly holder: TokenHolder
  /** Thumbprint of the certificate that it is good with alone; null where it is bound to none. */
  readonly certificate: string | null
  readonly seconds: number
}

/** Keeps the keyed hash of an access token until it runs out. */
export async function insertToken(query: Query, token: NewToken): Promise<void> {
  const { tokenHash, holder, certificate, seconds } = token
  const { consumerId, credentialId } = holder
  await query('delete from access_token where expires_at < clock_timestamp()')
  await query(
    `insert into access_token (token_hash, kind, consumer_id, credential_id, certificate, expires_at)
       values (decode($1, 'hex'), 'consumer', $2, $3, $4, clock_timestamp() + make_interval(secs => $5))`,
    [tokenHash, consumerId, credentialId, certificate, seconds],
  )
}

const FIND_CONSUMER = prepared(
  `select consumer.consumer_id as "consumerId", name
       from access_token join consumer using (consumer_id) join credential using (credential_id),
            lateral (select ${LIVE_CERTIFICATES} as thumbprints) as living
      where token_hash = decode($1, 'hex') and expires_at > clock_timestamp() and retired_at is null
        and case when certificate is null then thumbprints = '{}'
                 else certificate = $2 and certificate = any(thumbprints) end`,
)

/**
 * The consumer a living token belongs to, over a connection with this certificate (its thumbprint; null without one). A token ends
 * with the credential that it came of and with the certificate that it is bound to, and one that is bound to none ends when its
 * consumer registers one. Throws TOKEN_INVALID, also for the token of an account.
 */
export async function findConsumerOfToken(
  query: Query,
  tokenHash: string,
  certificate: string | null,
): Promise<{ readonly consumerId: number; readonly name: string }> {
  const [row] = await query<{ consumerId: number; name: string }>(FIND_CONSUMER, [tokenHash, certificate])
  if (row === undefined) throw new AppError('TOKEN_INVALID')
  return row
}
