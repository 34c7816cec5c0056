/**
 * A client of the API whose addresses, parameters, bodies and answers are typed by the description of the API. It needs nothing
 * but `fetch`, so it runs in Node and in browsers.
 */
import createClient, { type Client, type ClientPathsWithMethod, type MaybeOptionalInit } from 'openapi-fetch'
import type { paths } from '../openapi-types/openapi.d.ts'
import { createTokenSource, type Credentials } from './token.ts'
import { readApiError } from './api-error.ts'
import { readCheckpointHeader } from './checkpoints.ts'

export { ApiError } from './api-error.ts'

type Method = 'get' | 'post' | 'put' | 'delete'
type PathOf<M extends Method> = ClientPathsWithMethod<Client<paths>, M>
type InitOf<M extends Method, Path extends PathOf<M>> = MaybeOptionalInit<paths[Path], M>

type Success = 200 | 201 | 202 | 204
/** JSON where there is a choice. */
type BodyOf<Content> = 'application/json' extends keyof Content ? Content['application/json'] : Content[keyof Content]
type ContentOf<Response> = Response extends { readonly content: infer Content } ? BodyOf<Content> : undefined
type AnswerOf<M extends Method, Path extends PathOf<M>> = paths[Path][M] extends { readonly responses: infer Responses }
  ? { [Status in keyof Responses & Success]: ContentOf<Responses[Status]> }[keyof Responses & Success]
  : never

/** Asks for a path with what its description wants, and gives the answer of a success. Throws ApiError for every other. */
type Call<M extends Method> = <Path extends PathOf<M>>(
  path: Path,
  ...init: undefined extends InitOf<M, Path> ? [init?: InitOf<M, Path>] : [init: InitOf<M, Path>]
) => Promise<AnswerOf<M, Path>>

export type ApiClient = { readonly [M in Method]: Call<M> }

/** A page of changes. Only the last one of a snapshot has a `feedCursor`. */
export type Page = AnswerOf<'get', '/api/v1/datasets/{dataset}/snapshot'>
/** One change of a dataset. */
export type Change = Page['changes'][number]
/** Name of a dataset. */
export type Dataset = paths['/api/v1/datasets/{dataset}/changes']['get']['parameters']['path']['dataset']

/** How openapi-fetch is called where the types of one call are not known. */
type AnyCall = (path: string, init?: object) => Promise<{ readonly data?: unknown }>

/**
 * A client for a consumer, or for an account that has a session. That of a consumer gets its token with the first request, renews it
 * before it runs out, and once more when it is refused: tokens may be withdrawn. `onCheckpoint` hears the signed note of the audit log that
 * comes with an answer.
 */
export function createApiClient(credentials: Credentials, onCheckpoint?: (note: string) => void): ApiClient {
  const tokens = createTokenSource(credentials)
  const attempt = async (request: Request, token: string): Promise<Response> => {
    const sent = request.clone()
    sent.headers.set('authorization', `Bearer ${token}`)
    return fetch(sent)
  }
  const send = async (request: Request): Promise<Response> => {
    const token = await tokens.get()
    const response = await attempt(request, token)
    const answer = response.status === 401 ? await attempt(request, await tokens.renew(token)) : response
    const note = readCheckpointHeader(answer.headers)
    if (note !== null) onCheckpoint?.(note)
    if (answer.ok) return answer
    throw await readApiError(answer)
  }
  const client = createClient<paths>({ baseUrl: credentials.baseUrl, fetch: send })
  const call = (ask: unknown) => async (path: string, init?: object) => (await (ask as AnyCall)(path, init)).data
  return {
    get: call(client.GET),
    post: call(client.POST),
    put: call(client.PUT),
    delete: call(client.DELETE),
  } as ApiClient
}
