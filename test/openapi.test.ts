import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import description from '../docs/openapi.json' with { type: 'json' }
import packageJson from '../package.json' with { type: 'json' }
import { AppError, errorTable, type ErrorCode } from '../src/errors.ts'
import { loadDatasets } from '../src/feeds/datasets.ts'
import { problemOf } from '../src/http/problems.ts'

interface Parameter {
  readonly name: string
  readonly required: boolean
  readonly description?: string
  readonly schema: { readonly type?: string; readonly enum?: readonly string[]; readonly default?: unknown }
}

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly security?: readonly Readonly<Record<string, unknown>>[]
  readonly parameters?: readonly Parameter[]
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content: Readonly<Record<string, { readonly schema: object }>> }
    >
  >
}

const paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = description.paths
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
)
const bilingual = /\p{Script=Han}.* \/ [A-Z]/u

/** Every property that a description names, with the words that say what it is. */
function listProperties(schema: unknown, place = ''): readonly (readonly [place: string, words: unknown])[] {
  if (typeof schema !== 'object' || schema === null) return []
  const properties =
    'properties' in schema && typeof schema.properties === 'object' ? Object.entries(schema.properties ?? {}) : []
  const own = properties.map(
    ([name, property]: [string, { description?: string; enum?: readonly string[] }]) =>
      [`${place}.${name}`, property.description ?? (property.enum?.length === 1 ? 'one value' : undefined)] as const,
  )
  return [...own, ...Object.entries(schema).flatMap(([name, inner]) => listProperties(inner, `${place}/${name}`))]
}

describe('docs/openapi.json', () => {
  it('is of this version and describes this API', () => {
    expect(description.openapi).toBe('3.1.0')
    expect(description.info.version).toBe(packageJson.version)
    expect(Object.keys(paths)).toContain('/api/v1/datasets/{dataset}/changes')
  })

  it.each(operations)(
    '%s has a name, a tag and a summary in both languages',
    (_name, { operationId, summary, tags }) => {
      expect(operationId).toMatch(/^[a-z][A-Za-z]+$/)
      expect(summary).toMatch(bilingual)
      const known = description.tags.map(({ name }) => name)
      expect(tags?.filter((tag) => known.includes(tag))).toHaveLength(1)
    },
  )

  it('names no operation twice', () => {
    const names = operations.map(([, { operationId }]) => operationId)
    expect(new Set(names).size).toBe(names.length)
  })

  it.each(operations.filter(([, { tags }]) => !tags?.includes('operations')))(
    '%s asks for credentials that are described',
    (_name, { security }) => {
      const schemes = Object.keys(description.components.securitySchemes)
      const asked = security?.flatMap((choice) => Object.keys(choice)) ?? []
      expect(asked.length).toBeGreaterThan(0)
      expect(asked.filter((scheme) => !schemes.includes(scheme))).toEqual([])
    },
  )

  it.each(operations.filter(([name]) => !name.endsWith('/healthz')))(
    '%s may answer a problem',
    (_name, { responses }) => {
      for (const status of ['4XX', '5XX']) {
        expect(responses[status]?.description).toMatch(bilingual)
        expect(responses[status]?.content).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        })
      }
    },
  )

  it.each(operations)('%s says what every parameter and every property is', (_name, operation) => {
    expect(operation.parameters?.filter((parameter) => !parameter.description) ?? []).toEqual([])
    expect(listProperties(operation.responses).filter(([, words]) => typeof words !== 'string')).toEqual([])
    expect(operation.responses['200']?.description).toMatch(bilingual)
  })

  it('offers every dataset, and asks for no parameter that has a default', () => {
    const parameters = paths['/api/v1/datasets/{dataset}/changes']?.['get']?.parameters ?? []
    expect(parameters.find(({ name }) => name === 'dataset')?.schema.enum?.toSorted()).toEqual(
      [...loadDatasets().keys()].toSorted(),
    )
    expect(parameters.filter(({ required, schema }) => required && schema.default !== undefined)).toEqual([])
  })

  it('describes the problem that every error becomes', () => {
    const isProblem = new Ajv2020({ strict: false }).compile({
      ...description.components.schemas.Problem,
      additionalProperties: false,
    })
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      expect(isProblem(problemOf(new AppError(code, 'detail'))), code).toBe(true)
    }
    expect(isProblem({ ...problemOf(new AppError('INTERNAL')), code: 'UNHEARD_OF' })).toBe(false)
  })
})
