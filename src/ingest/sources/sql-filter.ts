import { AppError } from '../../errors.ts'
import type { SqlFilter, SqlFilterValue } from '../../feeds/manifest-types.ts'
import type { Dialect, SqlColumn } from './sql-dialect.ts'
import type { Sql } from './sql-text.ts'
import { join, sql } from './sql-text.ts'

/** What a filter is written with: the columns of the table and how each is named in the statement. */
export interface FilterScope {
  readonly dialect: Dialect
  /** Throws AppError SOURCE_REFUSED for a name that the catalogue does not hold. */
  readonly find: (column: string) => SqlColumn
  readonly nameOf: (column: SqlColumn) => Sql
}

type Kind = SqlFilter['kind']
type Writers = { readonly [One in Kind]: (filter: SqlFilter & { readonly kind: One }, scope: FilterScope) => Sql }

const operators = {
  '=': sql`=`,
  '<>': sql`<>`,
  '<': sql`<`,
  '<=': sql`<=`,
  '>': sql`>`,
  '>=': sql`>=`,
} as const

const writers: Writers = {
  and: ({ filters }, scope) => group(filters, scope, sql` and `),
  or: ({ filters }, scope) => group(filters, scope, sql` or `),
  not: ({ filter }, scope) => sql`not (${writeFilter(filter, scope)})`,
  compare: ({ column, op, value }, scope) => {
    const found = scope.find(column)
    return sql`${scope.nameOf(found)} ${operators[op]} ${valueFor(found, value)}`
  },
  in: ({ column, values }, scope) => {
    const found = scope.find(column)
    const all = values.map((value) => valueFor(found, value))
    return sql`${scope.nameOf(found)} in (${join(all, sql`, `)})`
  },
  'is-null': ({ column }, scope) => sql`${scope.nameOf(scope.find(column))} is null`,
  'like-prefix': ({ column, prefix }, scope) => {
    const found = scope.find(column)
    if (!found.rules.isText) throw unfit(found, 'like-prefix wants a text')
    const pattern = `${prefix.replaceAll(scope.dialect.likeSigns, '!$&')}%`
    return sql`${scope.nameOf(found)} like ${pattern} escape '!'`
  },
}

/** The condition of a filter tree. Names come from the catalogue and every value is bound. Throws AppError SOURCE_REFUSED. */
export function writeFilter<One extends Kind>(filter: SqlFilter & { readonly kind: One }, scope: FilterScope): Sql {
  return writers[filter.kind](filter, scope)
}

/** A value of the manifest in the type of a column. Throws AppError SOURCE_REFUSED where one cannot choose by that type. */
export function valueFor(column: SqlColumn, value: SqlFilterValue): Sql {
  if (column.rules.filter === null) throw unfit(column, 'a filter wants a text, a number or a time')
  return column.rules.filter(value)
}

function group(filters: readonly SqlFilter[], scope: FilterScope, word: Sql): Sql {
  return sql`(${join(
    filters.map((filter) => writeFilter(filter, scope)),
    word,
  )})`
}

function unfit({ name, type }: SqlColumn, wanted: string): AppError {
  return new AppError('SOURCE_REFUSED', `column ${name} is a ${type}; ${wanted}`)
}
