/** What a receiver should say that it took: the id, how many changes, and the SHA-256 of the body in hexadecimal. */
export interface Receipt {
  readonly id: string
  readonly received: number
  readonly digest: string
}

/** A receipt is three short values; what is longer is none. */
export const MOST_RECEIPT_BYTES = 16_384

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** How each member must read. `"received": true` is what receivers of other webhooks answer: it counts nothing. */
const claims: Readonly<Record<keyof Receipt, (said: unknown, sent: Receipt) => boolean>> = {
  id: (said, { id }) => said === id,
  received: (said, { received }) => said === received || said === true,
  digest: (said, { digest }) => typeof said === 'string' && said.toLowerCase().replace(/^sha-?256:/, '') === digest,
}

/**
 * Whether an answer contradicts what was sent. An answer that says nothing of it contradicts nothing, unless the subscription
 * demands a receipt: then all three must be there, and be right.
 */
export function isReceiptWrong(text: string, sent: Receipt, isDemanded: boolean): boolean {
  const answer = parseObject(text)
  return Object.entries(claims).some(([name, isRight]) => {
    if (!Object.hasOwn(answer, name)) return isDemanded
    return !isRight(answer[name], sent) || (isDemanded && answer[name] === true)
  })
}
