import type { FastifyInstance } from 'fastify'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, residentRows, storeRows } from '../support/ledger.ts'
import { employ, employAll, type Answer, type Office, type Person } from '../support/office.ts'
import { openDoor } from './door.ts'

export const FEED = 'LZ-GA-RK-001'

/** A request that is as it should be. */
export const wanted = {
  dataset: 'resident',
  records: [`${FEED}/R-1`],
  fields: ['name', 'phone'],
  caseNumber: '泸公信〔2026〕12号',
  purpose: 'LZ-QD-001',
  reason: '核实走失人员身份信息',
}

/** Everybody whom a reveal concerns, and records of public security. */
export interface RevealStage {
  readonly installation: TestInstallation
  readonly server: FastifyInstance
  readonly office: Office
  readonly owner: Person
  /** Owns the data of another department. */
  readonly stranger: Person
  readonly others: Readonly<Record<string, Person>>
  readonly ask: (change?: object, person?: Person) => Promise<Answer>
  readonly decide: (revealId: number, person: Person, duty: string, more?: object) => Promise<Answer>
  readonly look: (revealId: number, person?: Person) => Promise<Answer>
  /** Makes time pass for one request, behind the product's back. */
  readonly age: (revealId: number, minutes: number) => Promise<unknown>
  readonly close: () => Promise<void>
}

export async function openRevealStage(): Promise<RevealStage> {
  const installation = await openTestInstallation('api')
  const server = await openDoor(installation)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  const office = await employAll(installation, url)
  const owner = await employ(installation, url, 'ga-owner', 'data-owner', 'public-security')
  const stranger = await employ(installation, url, 'mz-owner', 'data-owner', 'civil-affairs')
  await registerConsumer(installation, 'platform')
  const consumer = await employ(installation, url, 'wg-engineer', 'consumer-engineer', 'platform')
  await storeRows(installation, await registerFeed(installation, FEED), residentRows(1, 3))
  return {
    installation,
    server,
    office,
    owner,
    stranger,
    others: { ...office, owner, stranger, consumer },
    ask: (change = {}, person = office.editor) => person.post('/api/v1/reveals', { ...wanted, ...change }),
    decide: (revealId, person, duty, more = {}) =>
      person.post(`/api/v1/reveals/${revealId}/approvals`, { duty, decision: 'approve', ...more }),
    look: (revealId, person = office.editor) => person.get(`/api/v1/reveals/${revealId}/records`),
    age: (revealId, minutes) =>
      installation.asOwner(
        `with request as (update gridbridge.reveal set requested_at = requested_at - make_interval(mins => $2),
             expires_at = expires_at - make_interval(mins => $2) where reveal_id = $1)
         update gridbridge.reveal_look set looked_at = looked_at - make_interval(mins => $2) where reveal_id = $1`,
        [revealId, minutes],
      ),
    close: async () => {
      await server.close()
      await installation.close()
    },
  }
}
