import { operator, within, type Place } from './commands.ts'
import { AppError } from './errors.ts'
import type { SignatureHash } from './security/request-signature.ts'
import { endCredential, giveCredential, type CredentialRequest, type MadeCredential } from './sharing/credentials.ts'
import { findConsumer } from './store/consumers.ts'
import { listCredentials, type Credential } from './store/credentials.ts'

export interface RotateOptions {
  readonly kind: string
  /** What the owner of a signing secret signs with. */
  readonly digest: string
  /** Fingerprint of the version that the new one replaces at once; null lets both work until one is retired. */
  readonly retire: string | null
}

const digests: readonly SignatureHash[] = ['sm3', 'sha256']

function readRequest({ kind, digest: given }: RotateOptions): CredentialRequest {
  if (kind === 'secret') return { kind }
  const digest = digests.find((one) => one === given)
  if (digest === undefined) throw new AppError('USAGE_INVALID', `--digest needs ${digests.join(' or ')}`)
  if (kind === 'signing') return { kind, digest }
  throw new AppError(
    'USAGE_INVALID',
    '--kind needs secret or signing; keys and certificates are registered over the API',
  )
}

/** `consumer rotate`: makes the next version of a secret; the one before works on until it is retired. */
export async function rotateCredential(place: Place, name: string, options: RotateOptions): Promise<MadeCredential> {
  const request = readRequest(options)
  return within(place, ({ database, keys }) =>
    database.transaction(async (transaction) => {
      const work = { transaction, keys, actor: operator() }
      if (options.retire !== null) await endCredential(work, name, options.retire)
      return giveCredential(work, name, request)
    }),
  )
}

/** `consumer credentials`: what a consumer proves itself with, living and retired, without any secret. */
export async function showCredentials(place: Place, name: string): Promise<readonly Credential[]> {
  return within(place, async ({ database: { query } }) =>
    listCredentials(query, (await findConsumer(query, name)).consumerId),
  )
}
