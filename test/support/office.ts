import type { CatalogueEntry, LegalBasis } from '../../src/feeds/legal-basis.ts'
import { boundTo, type Role } from '../../src/security/permissions.ts'
import type { TestInstallation } from './installation.ts'
import { registerAccount } from './ledger.ts'
import { enter, type Post } from './sign-in.ts'

/** One answer of the API, as its caller sees it. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests say what they expect of the body
  readonly body: any
}

/** Somebody who uses the management API over a socket with an account of their own. */
export interface Person {
  readonly name: string
  readonly accountId: number
  readonly get: (path: string) => Promise<Answer>
  readonly post: (path: string, body?: unknown) => Promise<Answer>
  readonly put: (path: string, body: unknown) => Promise<Answer>
  readonly remove: (path: string) => Promise<Answer>
}

async function call(method: string, url: string, authorization: string, body?: unknown): Promise<Answer> {
  const carried = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const who = authorization === '' ? {} : { authorization }
  const response = await fetch(url, { method, headers: { ...who, ...type }, ...carried })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== ''
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text || null }
}

/** Gives somebody an account and lets them enrol and sign in, as everybody does. `place` is the department or the consumer of the role. */
export async function employ(
  installation: TestInstallation,
  url: string,
  name: string,
  role: Role,
  place: string | null = null,
): Promise<Person> {
  const [department, consumer] = boundTo[role] === 'consumer' ? [null, place] : [place, null]
  const account = await registerAccount(installation, name, role, department, consumer)
  const post: Post = (path, body) => call('POST', url + path, '', body)
  const bearer = await enter(post, account)
  const { accountId } = account
  const ask = (method: string) => (path: string, body?: unknown) => call(method, url + path, bearer, body)
  return { name, accountId, get: ask('GET'), post: ask('POST'), put: ask('PUT'), remove: ask('DELETE') }
}

/** Everybody that a feed of public security needs on its way. */
export const employAll = async (installation: TestInstallation, url: string) => ({
  editor: await employ(installation, url, 'ga-editor', 'department-editor', 'public-security'),
  reviewer: await employ(installation, url, 'ga-reviewer', 'department-reviewer', 'public-security'),
  neighbour: await employ(installation, url, 'mz-editor', 'department-editor', 'civil-affairs'),
  officer: await employ(installation, url, 'officer', 'security-administrator'),
  engineer: await employ(installation, url, 'engineer', 'system-administrator'),
  auditor: await employ(installation, url, 'auditor', 'audit-administrator'),
})

export type Office = Awaited<ReturnType<typeof employAll>>

export const legalBasis: LegalBasis = {
  departmentLaw: { kind: 'law', title: '中华人民共和国居民身份证法', article: '第六条' },
  luzhouArticle: '22',
  purposes: ['LZ-QD-001'],
  impactAssessment: { reference: 'PIA-2026-001', date: '2026-10-08', conclusion: '风险可控' },
  noStateOrWorkSecret: true,
}

export const catalogueEntry: CatalogueEntry = {
  classification: '307000',
  code: '307000/0001',
  provider: '泸州市公安局',
  providerCode: '115105000000000198',
  abstract: '实有人口基础信息',
  format: '数据库',
  shareType: 2,
  shareCondition: '用于网格化服务管理',
  shareBasis: null,
  shareMethod: '服务接口',
  open: false,
  openCondition: null,
  updateCycle: '每日',
  publishedOn: '2026-10-10',
  relatedCodes: [],
}

export const serviceItem = {
  name: '实有人口信息采集核实',
  county: '510502',
  approvalNo: '江府发〔2026〕1号',
  validFrom: '2024-10-01',
  validTo: null,
}

/** Publishes the service item and registers the address of a source on this machine. */
export async function prepareGround({ engineer, officer }: Office, port: number): Promise<number> {
  await engineer.put('/api/v1/service-items/LZ-QD-001', serviceItem)
  const endpoint = {
    department: 'public-security',
    scheme: 'http',
    address: '127.0.0.1',
    firstPort: port,
    lastPort: port,
  }
  const { body } = await officer.post('/api/v1/endpoints', endpoint)
  return body.endpointId as number
}

/** Gives an account another role behind the product's back, which would end its session. */
export async function become(
  { asOwner }: TestInstallation,
  name: string,
  role: Role,
  department: string | null,
): Promise<void> {
  await asOwner(
    `insert into gridbridge.administration (person, administration)
       select person, $2 from gridbridge.account where name = $1 and $2 like '%-administrator' on conflict do nothing`,
    [name, role],
  )
  await asOwner('update gridbridge.account set role = $2, department = $3 where name = $1', [name, role, department])
}
