/**
 * How many ways a backtracking engine could try one pattern. Ours is linear (RE2), but what a schema says is also read by the
 * validators of departments and consumers, and most of those backtrack.
 */

/** Repetition that follows an atom. */
interface Repetition {
  readonly least: number
  readonly most: number
  readonly end: number
}

const GROUP_KIND = /\?(?:P?<[^>]*>|[a-zA-Z-]*:|[=!]|<[=!])/y
const CLASS = /\[\^?\]?(?:\\.|[^\]\\])*\]/y
const BRACES = /\{(\d+)(,(\d*))?\}[?+]?/y

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

const signs: Readonly<Record<string, readonly [least: number, most: number]>> = {
  '?': [0, 1],
  '*': [0, Infinity],
  '+': [1, Infinity],
}

function readRepetition(text: string, at: number): Repetition {
  const sign = signs[text[at] ?? '']
  if (sign !== undefined) return { least: sign[0], most: sign[1], end: at + (text[at + 1] === '?' ? 2 : 1) }
  const braces = matchAt(BRACES, text, at)
  if (braces === null) return { least: 1, most: 1, end: at }
  const least = Number(braces[1])
  const most = braces[2] === undefined ? least : braces[3] === '' ? Infinity : Number(braces[3])
  return { least, most, end: at + braces[0].length }
}

/** A group that is open while the pattern is gone through: the ways of what it holds so far. */
interface Group {
  ways: number
  branches: number
}

/** One to the power of infinity is no number to JavaScript. */
const repeated = (ways: number, { least, most }: Repetition): number =>
  most === Infinity ? Infinity : (most - least + 1) * ways ** most

/** What stands at a place: where it ends, and in how many ways it can match once. */
interface Atom {
  readonly end: number
  readonly ways: number
}

/** Null where a group begins, which is no atom before its end. */
function readAtom(pattern: string, at: number, open: Group[]): Atom | null {
  if (pattern[at] === '(') {
    open.push({ ways: 1, branches: 1 })
    return null
  }
  if (pattern[at] !== ')' || open.length === 1) return { end: endOfAtom(pattern, at), ways: 1 }
  const { ways, branches } = open.pop() ?? { ways: 1, branches: 1 }
  return { end: at + 1, ways: ways * branches }
}

/**
 * The number of choices in a pattern (ECMA-262, as far as RE2 takes it): branches times lengths of its repetitions, and of what
 * is repeated to the power of how often. Infinity where a repetition has no end.
 */
export function countWays(pattern: string): number {
  const open: Group[] = [{ ways: 1, branches: 1 }]
  for (let at = 0; at < pattern.length;) {
    const atom = readAtom(pattern, at, open)
    if (atom === null) {
      at += 1 + (matchAt(GROUP_KIND, pattern, at + 1)?.[0].length ?? 0)
      continue
    }
    const group = open.at(-1)
    const repetition = readRepetition(pattern, atom.end)
    if (group !== undefined && pattern[at] === '|') group.branches += 1
    else if (group !== undefined) group.ways *= repeated(atom.ways, repetition)
    at = repetition.end
  }
  return open.reduce((product, { ways, branches }) => product * ways * branches, 1)
}

function endOfAtom(pattern: string, at: number): number {
  if (pattern[at] === '\\') return at + (matchAt(/\\[pPu]\{[^}]*\}/y, pattern, at)?.[0].length ?? 2)
  return at + (matchAt(CLASS, pattern, at)?.[0].length ?? 1)
}
