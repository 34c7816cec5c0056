import { hash } from 'node:crypto'

/** 64 bits of a text's SHA-256: enough to tell apart the pages and rows of one run, short enough for a cursor. */
export function shortHash(text: string): string {
  return hash('sha256', text, 'buffer').subarray(0, 8).toString('base64url')
}
