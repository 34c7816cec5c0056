import { randomBytes } from 'node:crypto'
import { basicDoor } from './doors.ts'
import type { Door } from './doors.ts'
import type { Handle } from './serve.ts'

const LIFE_SECONDS = 300

/** Client credentials (RFC 6749 §4.4): a token endpoint, and the door its tokens open. */
interface Tokens {
  readonly grant: Handle
  readonly door: Door
}

/** Opens a token endpoint for one client, which identifies itself by HTTP Basic. */
export function openTokens(clientId: string, clientSecret: string): Tokens {
  const isClient = basicDoor(clientId, clientSecret)
  const ends = new Map<string, number>()
  return {
    grant: (request) => {
      if (isClient(request, Date.now()) !== null) return { status: 401, body: { error: 'invalid_client' } }
      if (new URLSearchParams(request.body.toString('utf8')).get('grant_type') !== 'client_credentials')
        return { status: 400, body: { error: 'unsupported_grant_type' } }
      const token = randomBytes(24).toString('base64url')
      ends.set(token, Date.now() + LIFE_SECONDS * 1000)
      return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: LIFE_SECONDS } }
    },
    door: ({ headers }, now) => {
      const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
      return (ends.get(token) ?? 0) > now ? null : 'token'
    },
  }
}
