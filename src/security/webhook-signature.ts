import { createPrivateKey, createPublicKey, randomBytes, sign, timingSafeEqual, verify } from 'node:crypto'
import { AppError } from '../errors.ts'
import { createSm2KeyPair, PRIVATE_BYTES, PUBLIC_BYTES, signSm2, sm2PublicKey, verifySm2 } from './sm2.ts'
import { hmac, prepareHmacKey, type Suite } from './suites.ts'

/**
 * Standard Webhooks 1.0: the signed text is `id.timestamp.body`; the header `webhook-signature` holds one or more signatures,
 * each `version,Base64`, and one that is right is enough. `v1` and `v1a` are the standard's own. `v1g` (HMAC-SM3) and `v1ga`
 * (SM2 over SM3) are the same two under the gm suite; a library of the standard skips versions that it does not know.
 */
export const signatureKinds = ['hmac-sha256', 'ed25519', 'hmac-sm3', 'sm2'] as const
export type SignatureKind = (typeof signatureKinds)[number]

export interface WebhookMessage {
  /** The idempotency key: the same id always carries the same body. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly timestamp: number
  readonly body: string
}

/** What one kind of signature is made of. Keys are bytes here; as text they carry the kind's prefix. */
interface Scheme {
  readonly version: string
  readonly secretPrefix: string
  /** Null where who verifies needs the secret itself. */
  readonly publicPrefix: string | null
  readonly create: () => Buffer
  readonly isSecret: (bytes: Buffer) => boolean
  readonly publicOf: (secret: Buffer) => Buffer
  readonly sign: (secret: Buffer, text: string) => Buffer
  readonly verify: (key: Buffer, text: string, signature: Buffer) => boolean
}

const SECRET_BYTES = 32
/** The standard wants 24 to 64 bytes; shorter ones are guessed. */
const isHmacSecret = ({ length }: Buffer): boolean => length >= 24 && length <= 64

function hmacScheme(version: string, secretPrefix: string, algorithm: Suite['hash']): Scheme {
  const mac = (secret: Buffer, text: string): Buffer => hmac(prepareHmacKey(algorithm, secret), text)
  return {
    version,
    secretPrefix,
    publicPrefix: null,
    create: () => randomBytes(SECRET_BYTES),
    isSecret: isHmacSecret,
    publicOf: (secret) => secret,
    sign: mac,
    verify: (key, text, signature) => signature.length === SECRET_BYTES && timingSafeEqual(mac(key, text), signature),
  }
}

/** What stands before the 32 bytes of an Ed25519 key in PKCS #8 and in SPKI (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

const privateEd25519 = (secret: Buffer) =>
  createPrivateKey({ key: Buffer.concat([PKCS8, secret.subarray(0, 32)]), format: 'der', type: 'pkcs8' })
const publicEd25519 = (secret: Buffer): Buffer =>
  createPublicKey(privateEd25519(secret)).export({ format: 'der', type: 'spki' }).subarray(SPKI.length)

function createEd25519(): Buffer {
  const seed = randomBytes(32)
  return Buffer.concat([seed, publicEd25519(seed)])
}

const schemes: Readonly<Record<SignatureKind, Scheme>> = {
  'hmac-sha256': hmacScheme('v1', 'whsec_', 'sha256'),
  'hmac-sm3': hmacScheme('v1g', 'whsecg_', 'sm3'),
  ed25519: {
    version: 'v1a',
    secretPrefix: 'whsk_',
    publicPrefix: 'whpk_',
    // As the libraries of the standard keep it: the seed and the public key behind it.
    create: createEd25519,
    isSecret: (bytes) => bytes.length === 64 && publicEd25519(bytes).equals(bytes.subarray(32)),
    publicOf: publicEd25519,
    sign: (secret, text) => sign(null, Buffer.from(text), privateEd25519(secret)),
    verify: (key, text, signature) => {
      if (key.length !== 32) return false
      const spki = createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' })
      return verify(null, Buffer.from(text), spki, signature)
    },
  },
  sm2: {
    version: 'v1ga',
    secretPrefix: 'whskg_',
    publicPrefix: 'whpkg_',
    create: () => createSm2KeyPair().privateKey,
    isSecret: ({ length }) => length === PRIVATE_BYTES,
    publicOf: sm2PublicKey,
    sign: signSm2,
    verify: (key, text, signature) => key.length === PUBLIC_BYTES && verifySm2(key, text, signature),
  },
}

/** A secret that signs, and what a receiver needs to verify it. Both are text with a prefix that names their kind. */
export interface WebhookKey {
  readonly kind: SignatureKind
  readonly secret: string
  /** Null where the receiver needs the secret itself. */
  readonly publicKey: string | null
}

const withPrefix = (prefix: string, bytes: Buffer): string => prefix + bytes.toString('base64')

const textOf = ({ id, timestamp, body }: WebhookMessage): string => `${id}.${timestamp}.${body}`

/** Base64 with its padding and nothing else; null for every other spelling. */
function fromBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : null
}

/** Makes a key of a kind with fresh randomness. */
export function createWebhookKey(kind: SignatureKind): WebhookKey {
  const { secretPrefix, publicPrefix, create, publicOf } = schemes[kind]
  const secret = create()
  const publicKey = publicPrefix === null ? null : withPrefix(publicPrefix, publicOf(secret))
  return { kind, secret: withPrefix(secretPrefix, secret), publicKey }
}

/** The scheme and the bytes of a secret. Throws KEY_UNAVAILABLE for a text that is none. */
function readSecret(text: string): { readonly scheme: Scheme; readonly secret: Buffer } {
  const scheme = Object.values(schemes).find(({ secretPrefix }) => text.startsWith(secretPrefix))
  const secret = scheme === undefined ? null : fromBase64(text.slice(scheme.secretPrefix.length))
  if (scheme === undefined || secret === null || !scheme.isSecret(secret))
    throw new AppError('KEY_UNAVAILABLE', 'a webhook secret is a prefix and Base64, as it was shown once')
  return { scheme, secret }
}

/** The three headers of Standard Webhooks with one signature for each secret. Throws KEY_UNAVAILABLE. */
export function webhookHeaders(
  secrets: readonly string[],
  message: WebhookMessage,
): Readonly<Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>> {
  const signatures = secrets.map((text) => {
    const { scheme, secret } = readSecret(text)
    return `${scheme.version},${scheme.sign(secret, textOf(message)).toString('base64')}`
  })
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(message.timestamp),
    'webhook-signature': signatures.join(' '),
  }
}

/** What a receiver holds: the scheme, and its secret or its public key. Null for a text that is no key. */
function readKey(text: string): { readonly scheme: Scheme; readonly key: Buffer } | null {
  const found = Object.values(schemes).find(({ secretPrefix, publicPrefix }) =>
    text.startsWith(publicPrefix ?? secretPrefix),
  )
  const key = found === undefined ? null : fromBase64(text.slice((found.publicPrefix ?? found.secretPrefix).length))
  return found === undefined || key === null ? null : { scheme: found, key }
}

/** Clock difference a delivery may have, as the libraries of the standard have it. */
const TOLERANCE_SECONDS = 300
/** Two live secrets of four kinds, and as many again; verifying SM2 takes 4 ms. */
const MOST_SIGNATURES = 16

/**
 * Whether a delivery is signed by the holder of one of these keys (`whsec_…` or a public key) and its time is within five
 * minutes of `now`. Never throws; takes as long for every wrong signature of a kind.
 */
export function verifyWebhook(
  keys: readonly string[],
  headers: Readonly<Record<string, string | undefined>>,
  body: string,
  now: Date,
): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers
  if (!id || !signatures || !/^\d{1,12}$/.test(timestamp ?? '')) return false
  if (Math.abs(now.getTime() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false
  const text = `${id}.${timestamp}.${body}`
  const given = signatures.split(' ', MOST_SIGNATURES)
  return keys.some((one) => {
    const held = readKey(one)
    return held !== null && given.some((signature) => isSignature(held, text, signature))
  })
}

function isSignature(held: NonNullable<ReturnType<typeof readKey>>, text: string, signature: string): boolean {
  const { version } = held.scheme
  const bytes = signature.startsWith(`${version},`) ? fromBase64(signature.slice(version.length + 1)) : null
  return bytes !== null && held.scheme.verify(held.key, text, bytes)
}
