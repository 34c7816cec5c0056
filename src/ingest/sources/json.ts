// Deeper values make JSON.stringify and recursive validators overflow the stack; no department nests records beyond 10.
const MAX_DEPTH = 32

// JSON.parse with a reviver is several times slower, so it runs only where a number may be too long for a double.
const longInteger = /[[:,]\s*-?\d{16}/

/**
 * Parses JSON (RFC 8259) that others wrote. Integers beyond 2^53 come as strings with every digit. What is nested deeper
 * than 32 levels becomes an empty array, which no field accepts, so the row that holds it is rejected and its neighbours
 * are not. Throws SyntaxError, whose message may quote the text: never pass it on.
 */
export function parseJson(text: string): unknown {
  const shallow = pruneDeep(text)
  return longInteger.test(shallow) ? JSON.parse(shallow, keepLongInteger) : JSON.parse(shallow)
}

function keepLongInteger(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  const isExact = typeof value !== 'number' || Number.isSafeInteger(value)
  return isExact || !/^-?\d+$/.test(context?.source ?? '') ? value : context?.source
}

/** Brackets and quotes are all that decides depth. The text is returned as it is unless something lies too deep. */
function pruneDeep(text: string): string {
  const pieces: string[] = []
  let depth = 0
  let keptFrom = 0
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at)
    if (sign === QUOTE) at = endOfString(text, at)
    else if (sign === OPEN_BRACE || sign === OPEN_BRACKET) {
      depth++
      if (depth === MAX_DEPTH + 1) pieces.push(text.slice(keptFrom, at), '[]')
    } else if (sign === CLOSE_BRACE || sign === CLOSE_BRACKET) {
      depth--
      if (depth === MAX_DEPTH) keptFrom = at + 1
    }
  }
  if (pieces.length === 0) return text
  return depth > MAX_DEPTH ? '' : pieces.join('') + text.slice(keptFrom)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** Place of the quote that ends the string begun at `start`. */
function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1)
  while (at !== -1 && isEscaped(text, at)) at = text.indexOf('"', at + 1)
  return at === -1 ? text.length : at
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
  return backslashes % 2 === 1
}
