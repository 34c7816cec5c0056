import { Type } from 'typebox'
import { AppError, errorTable } from '../errors.ts'
import { problemOf } from './problems.ts'

/** RFC 9457 problem details, described once and referred to by every route. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'urn:gridbridge:problem: and the code' }),
    title: Type.String({ description: 'What the code means' }),
    titleZh: Type.String({ description: '错误含义' }),
    status: Type.Integer({ description: 'The HTTP status again' }),
    code: Type.String({ enum: Object.keys(errorTable), description: 'From the error table, docs/errors.md' }),
    detail: Type.String({ description: 'What was given, what was wanted, what to do; never a value of a record' }),
    retry: Type.Boolean({ description: 'Whether the same request may work later' }),
    snapshot: Type.Optional(Type.String({ description: 'With CURSOR_EXPIRED: where to begin again' })),
  },
  { $id: 'Problem', title: 'Problem', examples: [problemOf(new AppError('AGREEMENT_MISSING'))] },
)

const content = { 'application/problem+json': { schema: Type.Ref('Problem') } } as const

/** Every route may answer a problem. */
export const problemAnswers = {
  '4xx': { description: '请求被拒绝 / The request was refused', content },
  '5xx': { description: '服务暂不可用 / The service could not answer', content },
} as const
