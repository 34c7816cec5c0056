import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Handle, Reply, Request } from './serve.ts'

/** Says why a request may not pass, or null when it may. `now` is in milliseconds since 1970. */
export type Door = (request: Request, now: number) => string | null

/** Half of the time a signature may be used in, by either clock. */
const WINDOW_MS = 5 * 60 * 1000

function equals(given: string, wanted: string): boolean {
  const left = Buffer.from(given)
  const right = Buffer.from(wanted)
  return left.length === right.length && timingSafeEqual(left, right)
}

/** One header of the request; empty where it is missing or comes twice. */
function header(request: Request, name: string): string {
  const value = request.headers[name.toLowerCase()]
  return typeof value === 'string' ? value : ''
}

const isLate = (milliseconds: number, now: number): boolean => !(Math.abs(now - milliseconds) <= WINDOW_MS)

/** Lets through what passes the door and answers 401 to the rest. */
export function guard(door: Door, handle: Handle): Handle {
  return (request): Reply | Promise<Reply> => {
    const refused = door(request, Date.now())
    return refused === null ? handle(request) : { status: 401, body: { code: 401, message: refused } }
  }
}

export function bearerDoor(token: string): Door {
  return (request) => (equals(header(request, 'authorization'), `Bearer ${token}`) ? null : 'token')
}

export function basicDoor(user: string, password: string): Door {
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return (request) => (equals(header(request, 'authorization'), wanted) ? null : 'user or password')
}

export function apiKeyDoor(name: string, key: string): Door {
  return (request) => (equals(header(request, name), key) ? null : 'key')
}

/** Remembers what was used within two windows, so that no request can be sent again. */
function openReplayBook(): (mark: string, now: number) => boolean {
  const used = new Map<string, number>()
  return (mark, now) => {
    for (const [old, at] of used) {
      if (now - at <= 2 * WINDOW_MS) break
      used.delete(old)
    }
    if (mark === '' || used.has(mark)) return false
    used.set(mark, now)
    return true
  }
}

/** gjgxjhpt_rid, gjgxjhpt_sid, gjgxjhpt_rtime (ms) and gjgxjhpt_sign = Base64(HMAC-SHA256(sid + rid + rtime)). */
export function nationalPlatformDoor(requester: string, service: string, secret: string): Door {
  return (request, now) => {
    const [rid, sid, time] = ['rid', 'sid', 'rtime'].map((name) => header(request, `gjgxjhpt_${name}`))
    if (rid !== requester || sid !== service) return 'requester or service'
    if (isLate(Number(time || Number.NaN), now)) return 'time'
    const sign = createHmac('sha256', secret).update(`${sid}${rid}${time}`).digest('base64')
    return equals(header(request, 'gjgxjhpt_sign'), sign) ? null : 'signature'
  }
}

/** x-tif-paasid, x-tif-timestamp (s), x-tif-nonce and x-tif-signature = SHA-256(timestamp + token + nonce + timestamp). */
export function tifDoor(paasId: string, token: string): Door {
  const isFresh = openReplayBook()
  return (request, now) => {
    const time = header(request, 'x-tif-timestamp')
    const nonce = header(request, 'x-tif-nonce')
    if (header(request, 'x-tif-paasid') !== paasId) return 'paasid'
    if (isLate(Number(time || Number.NaN) * 1000, now)) return 'timestamp'
    const wanted = createHash('sha256').update(`${time}${token}${nonce}${time}`).digest('hex')
    if (!equals(header(request, 'x-tif-signature').toLowerCase(), wanted)) return 'signature'
    return isFresh(nonce, now) ? null : 'nonce'
  }
}

/**
 * Headers appKey, timestamp (ms), nonce and sign. `sign` = upper-case hex SHA-256 of the pairs `name=value` sorted by name and
 * joined by `&`, followed by the secret; the pairs are the query, the three headers, and `bodyDigest` (upper-case hex SHA-256 of the body).
 */
export function sortedParametersDoor(appKey: string, secret: string): Door {
  const isFresh = openReplayBook()
  return (request, now) => {
    if (header(request, 'appKey') !== appKey) return 'app key'
    if (isLate(Number(header(request, 'timestamp') || Number.NaN), now)) return 'timestamp'
    const pairs = new Map(new URLSearchParams(request.query))
    for (const name of ['appKey', 'timestamp', 'nonce']) pairs.set(name, header(request, name))
    pairs.set('bodyDigest', createHash('sha256').update(request.body).digest('hex').toUpperCase())
    const filled = [...pairs].filter(([, value]) => value !== '').map(([name, value]) => `${name}=${value}`)
    const wanted = createHash('sha256')
      .update(`${filled.toSorted().join('&')}${secret}`)
      .digest('hex')
      .toUpperCase()
    if (!equals(header(request, 'sign'), wanted)) return 'signature'
    return isFresh(header(request, 'nonce'), now) ? null : 'nonce'
  }
}
