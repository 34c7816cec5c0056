import { createHmac, hash } from 'node:crypto'

/**
 * The ways in which department systems want requests signed, beside our own (request-signature.ts). The list is closed: each has
 * golden vectors in its test, and nothing else is computed from a manifest.
 */
export type ParameterDigest = 'md5' | 'sha256' | 'hmac-sm3'

export type HexLetters = 'lower' | 'upper'

const digests: Readonly<Record<ParameterDigest, (text: string, secret: string) => string>> = {
  md5: (text, secret) => hash('md5', text + secret),
  sha256: (text, secret) => hash('sha256', text + secret),
  'hmac-sm3': (text, secret) => createHmac('sm3', secret).update(text).digest('hex'),
}

const bodyDigests: Readonly<Record<ParameterDigest, string>> = { md5: 'md5', sha256: 'sha256', 'hmac-sm3': 'sm3' }

/**
 * Sorted parameters, as many provincial and vendor gateways want them: `name=value` of all parameters, sorted by name (then value)
 * in the order of UTF-16 units, joined by `&`, as text before percent-encoding; then the secret follows at once, and the whole is
 * digested to hexadecimal letters. With `hmac-sm3` the secret is the key and does not follow. A parameter whose value is empty
 * takes no part; a value of spaces does.
 */
export function signParameters(
  parameters: Iterable<readonly [string, string]>,
  secret: string,
  digest: ParameterDigest,
  letters: HexLetters,
): string {
  const text = [...parameters]
    .filter(([, value]) => value !== '')
    .toSorted((left, right) => compare(left[0], right[0]) || compare(left[1], right[1]))
    .map((pair) => pair.join('='))
    .join('&')
  return inLetters(digests[digest](text, secret), letters)
}

/** What stands for a body among the parameters: the hexadecimal digest of its raw bytes, without the secret. */
export function digestBody(body: string, digest: ParameterDigest, letters: HexLetters): string {
  return inLetters(hash(bodyDigests[digest], body), letters)
}

/**
 * The headers of the national government data sharing platform (国家数据共享交换平台): requester, service, time in milliseconds, and
 * Base64(HMAC-SHA256(service + requester + time, secret)), as its public clients send them.
 */
export function signForNationalPlatform(
  keys: { readonly requester: string; readonly service: string; readonly secret: string },
  milliseconds: number,
): Readonly<Record<string, string>> {
  const { requester, service, secret } = keys
  const signed = createHmac('sha256', secret).update(`${service}${requester}${milliseconds}`)
  return {
    gjgxjhpt_rid: requester,
    gjgxjhpt_sid: service,
    gjgxjhpt_rtime: String(milliseconds),
    gjgxjhpt_sign: signed.digest('base64'),
  }
}

/**
 * The headers of TIF gateways (medical insurance and several provinces): time in seconds, nonce, and the hexadecimal
 * SHA-256 of time + token + nonce + time, as their public clients send them.
 */
export function signForTif(
  keys: { readonly paasId: string; readonly token: string; readonly letters: HexLetters },
  milliseconds: number,
  nonce: string,
): Readonly<Record<string, string>> {
  const seconds = String(Math.floor(milliseconds / 1000))
  return {
    'x-tif-paasid': keys.paasId,
    'x-tif-timestamp': seconds,
    'x-tif-nonce': nonce,
    'x-tif-signature': inLetters(hash('sha256', seconds + keys.token + nonce + seconds), keys.letters),
  }
}

function inLetters(hex: string, letters: HexLetters): string {
  return letters === 'upper' ? hex.toUpperCase() : hex
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
