import { boundTo, type Role } from '../src/security/permissions.ts'
import { enter, grantAccount, postOver } from '../test/support/sign-in.ts'
import { ask, basic, type Answered, type Headers } from './taint-ask.ts'
import type { SinkKind } from './taint-kinds.ts'
import type { Stage } from './taint-stage.ts'

/** Something that somebody asks of the API, and what becomes of the answer. */
export interface Question {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly kind?: SinkKind
  readonly isAllowed?: boolean
}

/** Somebody with an account. */
export interface Employee {
  readonly account: string
  readonly ask: (question: Question) => Promise<Answered>
}

export async function fetchToken(stage: Stage, address: string, name: string, secret: string): Promise<Headers> {
  const body = new URLSearchParams({ grant_type: 'client_credentials' })
  const headers = basic(name, secret)
  const answer = await ask(stage, 'token', `${address}/oauth/token`, { method: 'POST', headers, body })
  return { authorization: `Bearer ${(JSON.parse(answer.body.toString()) as { access_token: string }).access_token}` }
}

/** The path without what was put into it, for the name of a place. */
const nameOf = ({ method = 'GET', path }: Question): string =>
  `${method} ${path.replace(/\?.*/, '').replace(/\/(?=[^/]*[\d%])[^/]*/g, '/…')}`

/** Asks as whoever the headers let in. */
export const askAs =
  (stage: Stage, address: string, headers: Headers) =>
  ({ method = 'GET', body, ...question }: Question): Promise<Answered> => {
    const carried = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const options = { method, headers: { ...headers, ...type }, ...carried }
    return ask(stage, nameOf({ method, ...question }), address + question.path, options, question)
  }

/** Gives somebody an account and signs them in. Everybody of the play gets theirs here. */
async function employ(
  stage: Stage,
  address: string,
  account: string,
  role: Role,
  place: string | null = null,
): Promise<Employee> {
  const [department, consumer] = boundTo[role] === 'consumer' ? [null, place] : [place, null]
  const hired = await grantAccount(stage.installation, { name: account, role, department, consumer })
  const authorization = await enter(postOver(address), hired)
  return { account, ask: askAs(stage, address, { authorization }) }
}

const DEPARTMENT = 'public-security'

/** Everybody whom the play needs, one after the other. */
export async function employAll(stage: Stage, address: string) {
  const hire = (account: string, role: Role, place: string | null = null): Promise<Employee> =>
    employ(stage, address, account, role, place)
  return {
    editor: await hire('ga-editor', 'department-editor', DEPARTMENT),
    reviewer: await hire('ga-reviewer', 'department-reviewer', DEPARTMENT),
    owner: await hire('ga-owner', 'data-owner', DEPARTMENT),
    officer: await hire('officer', 'security-administrator'),
    second: await hire('officer-2', 'security-administrator'),
    engineer: await hire('engineer', 'system-administrator'),
    auditor: await hire('auditor', 'audit-administrator'),
  }
}

export type Office = Awaited<ReturnType<typeof employAll>>
