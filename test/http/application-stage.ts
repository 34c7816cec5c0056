import { giveSecret } from '../support/ledger.ts'
import { employ, type Answer, type Person } from '../support/office.ts'
import { insertConsumer } from '../../src/store/consumers.ts'
import { bearerOf } from './door.ts'
import { openFeedStage, type FeedStage } from './feed-stage.ts'

/** A feed of residents that is active, and everybody who has a part in applications for them. */
export interface ApplicationStage extends FeedStage {
  /** Engineer of the consumer grid-platform. */
  readonly applicant: Person
  /** Engineer of another consumer. */
  readonly rival: Person
  /** Data owners of public security, which leads residents, and of civil affairs, which does not. */
  readonly owner: Person
  readonly strange: Person
  /** What an engineer hands in; `change` replaces members. */
  readonly request: (change?: object) => object
  /** Writes an application for residents and gives its number. */
  readonly draft: (change?: object) => Promise<number>
  readonly move: (person: Person, applicationId: number, action: string, more?: object) => Promise<Answer>
  /** Submits an application and lets both sides say yes. */
  readonly approve: (applicationId: number) => Promise<Answer>
  /** Whether the consumer grid-platform may pull residents now: the status, and what was answered. */
  readonly pull: () => Promise<{ readonly status: number; readonly code: string | undefined }>
}

export const FEED = 'LZ-GA-RK-600'
const SCREENS = {
  basis: { kind: 'local-regulation', title: '泸州市加强基层社会治理网格化服务管理条例', article: '第十四条' },
  purpose: 'LZ-QD-001',
  scenario: '网格员上门核实实有人口',
  profile: 'P1_OPERATOR',
  area: ['510502'],
  shareMethod: '服务接口',
  method: 'copy',
  validFrom: '2024-10-01',
  validTo: '2099-01-01',
  pageSize: 200,
} as const

async function addConsumer({ installation }: FeedStage, name: string): Promise<string> {
  const { query } = installation.database
  const consumerId = await insertConsumer(query, { name, webhookUrl: null, webhookSecret: null })
  await giveSecret(installation, consumerId, `secret-of-${name}`)
  return name
}

export async function openApplicationStage(): Promise<ApplicationStage> {
  const stage = await openFeedStage()
  const { installation, server, office } = stage
  await stage.register(FEED)
  await stage.bring(FEED, 'activate')
  const address = server.server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const [platform, other] = [await addConsumer(stage, 'grid-platform'), await addConsumer(stage, 'weather-office')]
  const owner = await employ(installation, url, 'ga-owner', 'data-owner', 'public-security')
  const request = (change: object = {}) => ({ ...SCREENS, ...change })
  const move = (person: Person, applicationId: number, action: string, more: object = {}) =>
    person.post(`/api/v1/applications/${applicationId}/moves`, { action, ...more })
  const applicant = await employ(installation, url, 'grid-engineer', 'consumer-engineer', platform)
  const client = { name: platform, clientSecret: `secret-of-${platform}` }
  return {
    ...stage,
    applicant,
    rival: await employ(installation, url, 'weather-engineer', 'consumer-engineer', other),
    owner,
    strange: await employ(installation, url, 'mz-owner', 'data-owner', 'civil-affairs'),
    request,
    draft: async (change) => {
      const { body } = await applicant.post('/api/v1/applications', { dataset: 'resident', ...request(change) })
      return body.applicationId as number
    },
    move,
    approve: async (applicationId) => {
      await move(applicant, applicationId, 'submit')
      await move(owner, applicationId, 'approve', { reason: '属法定职责' })
      return move(office.officer, applicationId, 'approve', { reason: '最小必要' })
    },
    pull: async () => {
      const headers = { authorization: await bearerOf(server, client) }
      const response = await server.inject({ url: '/api/v1/datasets/resident/changes', headers })
      return { status: response.statusCode, code: response.json<{ code?: string }>().code }
    },
  }
}

/** Ends every application of the stage, so that the next test begins with none. */
export const forgetApplications = async ({ installation }: ApplicationStage): Promise<void> => {
  await installation.asOwner('delete from gridbridge.alert where object is not null')
  await installation.asOwner('delete from gridbridge.application')
  await installation.asOwner('update gridbridge.agreement set valid_to = clock_timestamp()')
}
