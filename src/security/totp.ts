import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** TOTP (RFC 6238) as every authenticator application has it: HMAC-SHA-1, 30 seconds, six digits. */
const STEP_SECONDS = 30
const DIGITS = 6
const SECRET_BYTES = 20

/** RFC 4648 §6. */
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function toBase32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => LETTERS[Number.parseInt(five.padEnd(5, '0'), 2)] ?? '').join('')
}

function fromBase32(text: string): Buffer {
  const bits = Array.from(text)
    .map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

/** A fresh secret in Base32, 160 bits as RFC 4226 §4 recommends. */
export const createTotpSecret = (): string => toBase32(randomBytes(SECRET_BYTES))

/** The step of a time, in milliseconds since the epoch. */
export const totpStep = (nowMs: number): number => Math.floor(nowMs / 1000 / STEP_SECONDS)

/** The code of one step: the truncation of RFC 4226 §5.3. */
export function totpCode(secret: string, step: number, digits = DIGITS): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', fromBase32(secret)).update(counter).digest()
  const number = mac.readUInt32BE((mac.at(-1) ?? 0) & 0x0f) & 0x7fff_ffff
  return String(number % 10 ** digits).padStart(digits, '0')
}

/** One step to each side, for clocks that differ and people who type (RFC 6238 §5.2). */
const SIDES = [0, -1, 1] as const

/** The step that a code is of; null where it is of none that may be used now. Always compares as many. */
export function findTotpStep(secret: string, code: string, nowMs: number): number | null {
  const now = totpStep(nowMs)
  const given = Buffer.from(code.padEnd(DIGITS).slice(0, DIGITS))
  const found = SIDES.map((side) => now + side).filter((step) =>
    timingSafeEqual(given, Buffer.from(totpCode(secret, step))),
  )
  return found[0] ?? null
}

/** What an authenticator application reads from a QR code. */
export const totpUri = (secret: string, account: string): string =>
  `otpauth://totp/GridBridge:${account}?secret=${secret}&issuer=GridBridge&algorithm=SHA1&digits=${DIGITS}&period=${STEP_SECONDS}`
