/** What is bound to a statement. Numbers and times are bound as text too and cast by the database: so every digit stays. */
export type SqlValue = string | null

/**
 * A piece of SQL: fixed texts, and the values that are bound where two texts meet (so there is one text more). Text comes
 * into a piece only from a literal in our source, a quoted name or our own whole number; anything else is bound.
 */
export interface Sql {
  readonly texts: readonly string[]
  readonly values: readonly SqlValue[]
}

/** A statement as a driver takes it. */
export interface Statement {
  readonly text: string
  readonly values: readonly SqlValue[]
}

/** A piece of SQL from a template. A piece in it is put in place, a value in it is bound. */
export function sql(texts: TemplateStringsArray, ...parts: readonly (Sql | SqlValue)[]): Sql {
  return parts.reduce<Sql>((piece, part, place) => append(piece, part, texts[place + 1] ?? ''), {
    texts: [texts[0] ?? ''],
    values: [],
  })
}

export const nothing: Sql = sql``

/** The pieces with `separator` between them. */
export function join(pieces: readonly Sql[], separator: Sql): Sql {
  return pieces.reduce((all, piece, place) => (place === 0 ? piece : sql`${all}${separator}${piece}`), nothing)
}

/** A name between quotation marks; a closing mark inside the name is doubled, which is how all seven databases escape it. */
export function quoted(name: string, open: string, close: string): Sql {
  return verbatim(`${open}${name.replaceAll(close, close + close)}${close}`)
}

/** A whole number of ours, written out: not every database takes a bound limit or interval. Throws RangeError for any other. */
export function digits(count: number): Sql {
  if (!Number.isSafeInteger(count)) throw new RangeError('wanted a whole number')
  return verbatim(String(count))
}

/** The statement, with `mark(n)` where the n-th value, counted from 1, is bound. */
export function toStatement({ texts, values }: Sql, mark: (place: number) => string): Statement {
  return { text: texts.map((text, place) => (place === 0 ? text : `${mark(place)}${text}`)).join(''), values }
}

function verbatim(text: string): Sql {
  return { texts: [text], values: [] }
}

function append(piece: Sql, part: Sql | SqlValue, text: string): Sql {
  const inner = typeof part === 'string' || part === null ? { texts: ['', ''], values: [part] } : part
  const [head = '', ...tail] = inner.texts
  const meeting = `${piece.texts.at(-1) ?? ''}${head}`
  const texts = [...piece.texts.slice(0, -1), meeting, ...tail]
  return { texts: [...texts.slice(0, -1), `${texts.at(-1) ?? ''}${text}`], values: [...piece.values, ...inner.values] }
}
