// Deeper values make JSON.stringify and recursive validators overflow the stack; no department nests records beyond 10.
const MAX_DEPTH = 32

// 500,000 members of one object take V8 a second and 130 MB; no table has 1,000 columns.
const MOST_MEMBERS = 10_000

// JSON.parse with a reviver is several times slower, so it runs only where a number may be too long for a double.
const longInteger = /[[:,]\s*-?\d{16}/

/**
 * Parses JSON (RFC 8259) that others wrote. Integers beyond 2^53 come as strings with every digit. What is nested deeper
 * than 32 levels, and an object that has a name twice or more than 10,000 names, becomes an empty array, which no field accepts,
 * so the row that holds it is rejected and its neighbours are not. Throws SyntaxError, whose message may quote the text: never pass it on.
 */
export function parseJson(text: string): unknown {
  const { shallow, members, isWide } = surveyJson(text)
  if (isWide) return parseExact(emptyFaulty(shallow))
  const value = parseExact(shallow)
  // JSON.parse keeps the last of two values in silence, so there are fewer members than the text has.
  return countMembers(value) === members ? value : parseExact(emptyFaulty(shallow))
}

function parseExact(text: string): unknown {
  return longInteger.test(text) ? JSON.parse(text, keepLongInteger) : JSON.parse(text)
}

function keepLongInteger(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  const isExact = typeof value !== 'number' || Number.isSafeInteger(value)
  return isExact || !/^-?\d+$/.test(context?.source ?? '') ? value : context?.source
}

/** Members of all the objects in a value; fewer than its text had where a name stood twice. Goes as deep as the value. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  let members = Array.isArray(value) ? 0 : inner.length
  for (const item of inner) if (typeof item === 'object') members += countMembers(item)
  return members
}

export interface JsonSurvey {
  /** The text as it is unless something lies deeper than 32 levels, which is cut out. */
  readonly shallow: string
  /** How deep its brackets go. */
  readonly levels: number
  /** How many members its objects have. */
  readonly members: number
  /** Whether one object has more than 10,000 members. */
  readonly isWide: boolean
}

/** What a text of JSON holds, told before anybody parses it. Brackets, colons and quotes are all that decides. */
export function surveyJson(text: string): JsonSurvey {
  const pieces: string[] = []
  let depth = 0
  let levels = 0
  let members = 0
  let isWide = false
  let keptFrom = 0
  const ownMembers = new Uint32Array(MAX_DEPTH + 1)
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at)
    if (sign === QUOTE) at = endOfString(text, at)
    else if (sign === COLON && depth <= MAX_DEPTH) {
      members++
      ownMembers[depth] = (ownMembers[depth] ?? 0) + 1
      isWide ||= (ownMembers[depth] ?? 0) > MOST_MEMBERS
    } else if (sign === OPEN_BRACE || sign === OPEN_BRACKET) {
      depth++
      levels = Math.max(levels, depth)
      ownMembers[depth] = 0
      if (depth === MAX_DEPTH + 1) pieces.push(text.slice(keptFrom, at), '[]')
    } else if (sign === CLOSE_BRACE || sign === CLOSE_BRACKET) {
      depth--
      if (depth === MAX_DEPTH) keptFrom = at + 1
    }
  }
  const pruned = (): string => (depth > MAX_DEPTH ? '' : pieces.join('') + text.slice(keptFrom))
  return { shallow: pieces.length === 0 ? text : pruned(), levels, members, isWide }
}

const nameEnd = /\s*:/y

/** An object that is open while the text is gone through; null for an array. */
type Frame = { readonly start: number; readonly names: Set<string>; isFaulty: boolean } | null

/** The text of JSON with an empty array for each object that has a name twice or too many. Throws SyntaxError. */
function emptyFaulty(text: string): string {
  const open: Frame[] = []
  const spans: (readonly [start: number, end: number])[] = []
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at)
    if (sign === QUOTE) {
      const end = endOfString(text, at)
      noteName(open.at(-1) ?? null, text, at, end)
      at = end
    } else if (sign === OPEN_BRACE) open.push({ start: at, names: new Set(), isFaulty: false })
    else if (sign === OPEN_BRACKET) open.push(null)
    else if (sign === CLOSE_BRACE || sign === CLOSE_BRACKET) {
      const frame = open.pop() ?? null
      if (frame?.isFaulty !== true) continue
      while ((spans.at(-1)?.[0] ?? -1) > frame.start) spans.pop()
      spans.push([frame.start, at + 1])
    }
  }
  return withoutSpans(text, spans)
}

function noteName(frame: Frame, text: string, start: number, end: number): void {
  nameEnd.lastIndex = end + 1
  if (frame === null || frame.isFaulty || !nameEnd.test(text)) return
  // Two spellings of one name, "a" and "\u0061", are one name.
  const name = String(JSON.parse(text.slice(start, end + 1)))
  frame.isFaulty = frame.names.has(name) || frame.names.size === MOST_MEMBERS
  frame.names.add(name)
}

function withoutSpans(text: string, spans: readonly (readonly [start: number, end: number])[]): string {
  const ends = [0, ...spans.map(([, end]) => end)]
  const kept = ends.map((from, place) => text.slice(from, spans[place]?.[0]))
  return kept.join('[]')
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
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
