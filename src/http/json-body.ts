import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import { countMembers, surveyJson } from '../ingest/sources/json.ts'
import { keepSignedBytes } from './request-bytes.ts'

/** A manifest is four levels deep; the deepest of its parts ends at eight. */
const MOST_LEVELS = 16

const NUL = String.fromCharCode(0)

const refuse = (what: string): never => {
  throw new AppError('REQUEST_INVALID', `body: ${what}`)
}

/** Refuses what would cost more to parse than it can be worth. Throws REQUEST_INVALID. Returns how many members there are. */
function surveyBody(text: string): number {
  const { levels, members, isWide } = surveyJson(text)
  if (levels > MOST_LEVELS) refuse(`deeper than ${MOST_LEVELS} levels`)
  if (isWide) refuse('an object with more than 10,000 names')
  return members
}

/** Refuses what two readers would read in two ways, and text that no database can keep. Throws REQUEST_INVALID. */
function assertPlain(value: unknown, members: number): void {
  if (countMembers(value) !== members) refuse('an object with a name twice')
  assertKeepable(value)
}

function assertKeepable(value: unknown): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes(NUL)) refuse('a text holds NUL or half a character')
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Array.isArray(value) ? value : Object.entries(value).flat()) assertKeepable(inner)
  }
}

/**
 * How every JSON body is read, before any route sees it (RFC 8259, and I-JSON, RFC 7493, for names and texts). What is too deep
 * or too wide is refused before it is parsed, a member that would reach a prototype while it is.
 */
export function takeJson(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  const parseSafely = (request: FastifyRequest, text: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      void parse(request, text, (error, value) => (error === null ? resolve(value) : reject(error)))
    })
  server.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => {
      keepSignedBytes(request, bytes)
      const text = bytes.toString('utf8')
      const members = surveyBody(text)
      const value = await parseSafely(request, text)
      assertPlain(value, members)
      return value
    },
  )
}
