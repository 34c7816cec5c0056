import { hash } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { NationalPlatformAuth, SecretRefresh } from '../../feeds/manifest-auth.ts'
import { signForNationalPlatform } from '../../security/department-signatures.ts'
import { askForToken, lendFor, nameRequest, type Token, type TokenDoor } from './http-token.ts'
import { readPointer } from './pointer.ts'

/** What the platform gave the application, in clear. */
export interface NationalKeys {
  readonly requester: string
  readonly service: string
  /** Signs the requests; where there is a refresh it is the app key and signs the requests for the secret only. */
  readonly secret: string
  /** Service id of the refresh; null where there is none. */
  readonly refreshService: string | null
}

export interface NationalSigner {
  readonly sign: () => Promise<Readonly<Record<string, string>>>
  /** Forgets the short-lived secret that signed last. Absent where the secret lasts. */
  readonly renew?: () => void
}

/**
 * Short-lived secrets of this process, by application. A run is opened anew every slice and several feeds share one application,
 * whose calls are counted and whose last secret may end the one before; so it is asked for once for all of them.
 */
const lent = new Map<string, Promise<Token>>()

const SECRET_FORM = /^[\x21-\x7e]{1,4000}$/

/** Asks for the secret: the same four headers, for the refresh's own service, signed with the app key. */
async function askForSecret(url: URL, refresh: SecretRefresh, keys: NationalKeys, door: TokenDoor): Promise<Token> {
  const asked = Date.now()
  const signed = { requester: keys.requester, service: keys.refreshService ?? '', secret: keys.secret }
  const method = refresh.method ?? 'POST'
  const headers = { accept: 'application/json', ...signForNationalPlatform(signed, asked) }
  const answer = await askForToken(url, { method, headers }, door)
  const secret = readPointer(answer, refresh.secret)
  if (typeof secret === 'string' && SECRET_FORM.test(secret)) return lendFor(secret, asked, refresh.minutes * 60)
  throw new AppError('SOURCE_BODY_INVALID', `${nameRequest(url, { method })} gave no secret at ${refresh.secret}`)
}

/** The secret of the application, asked for where none is held or the one that is held has run out: by one, however many want it. */
async function borrow(application: string, ask: () => Promise<Token>): Promise<string> {
  for (let held = lent.get(application); held !== undefined; held = lent.get(application)) {
    const token = await held.catch(() => null)
    if (token !== null && token.renewAt > Date.now()) return token.text
    if (lent.get(application) === held) lent.delete(application)
  }
  const asking = ask()
  lent.set(application, asking)
  return (await asking).text
}

/** Forgets a secret that the source refused, unless another feed has a newer one already. */
async function giveBack(application: string, used: string): Promise<void> {
  const held = lent.get(application)
  if ((await held?.catch(() => null))?.text === used && lent.get(application) === held) lent.delete(application)
}

/** Signs as the national platform wants it. Throws AppError EGRESS_FORBIDDEN for a refresh address that is not listed. */
export function openNationalSigner(auth: NationalPlatformAuth, keys: NationalKeys, door: TokenDoor): NationalSigner {
  const { refresh } = auth
  if (refresh === undefined) return { sign: async () => signForNationalPlatform(keys, Date.now()) }
  const url = door.egress.assertUrl(refresh.url)
  const application = hash('sha256', JSON.stringify([url.href, keys.requester, keys.refreshService, keys.secret]))
  let used = ''
  let giving: Promise<void> = Promise.resolve()
  return {
    sign: async () => {
      await giving
      used = await borrow(application, () => askForSecret(url, refresh, keys, door))
      return signForNationalPlatform({ ...keys, secret: used }, Date.now())
    },
    renew: () => {
      giving = giveBack(application, used)
    },
  }
}
