import type { Employee, Office } from './taint-accounts.ts'
import type { Answered } from './taint-ask.ts'
import { RESIDENT_FEED } from './taint-feeds.ts'
import { readJson, sayPersonally, want, type Faults } from './taint-office.ts'
import type { Stage } from './taint-stage.ts'

const reveals = { path: '/api/v1/reveals', kind: 'reveal papers' } as const

const wanted = {
  dataset: 'resident',
  fields: ['name', 'certNumber', 'phone', 'residenceAddress', 'workplace'],
  caseNumber: '泸公信〔2026〕12号',
  purpose: 'LZ-QD-001',
  reason: '核实走失人员身份信息',
}

interface Asking {
  readonly stage: Stage
  readonly faults: Faults
  readonly office: Office
  readonly records: readonly string[]
}

async function askFor({ faults, office, records }: Asking, change: object = {}): Promise<number> {
  const body = { ...wanted, records, ...change }
  const asked = await want(faults, 200, office.editor, { ...reveals, method: 'POST', body })
  return (asked as { revealId: number }).revealId
}

const decide = ({ faults }: Asking, who: Employee, revealId: number, duty: string, more: object = {}) =>
  want(faults, 200, who, {
    ...reveals,
    method: 'POST',
    path: `${reveals.path}/${revealId}/approvals`,
    body: { duty, decision: 'approve', ...more },
  })

const lookPath = (revealId: number): string => `${reveals.path}/${revealId}/records`

/** The only answer in which clear values may stand; a refusal of it is searched. */
const look = (who: Employee, revealId: number): Promise<Answered> =>
  who.ask({ path: lookPath(revealId), kind: 'reveal papers', isAllowed: true })

/** What must be refused, with canaries in everything that is said and named. */
async function askWrongly(asking: Asking): Promise<void> {
  const { stage, faults, office, records } = asking
  const { certNumber, phone, name } = stage.book.take()
  await sayPersonally(stage, faults, office.editor, { ...reveals, words: (reason) => ({ ...wanted, records, reason }) })
  const wrong: readonly (readonly [number, object])[] = [
    [404, { records: [`${RESIDENT_FEED}/${certNumber}`] }],
    [404, { records: [`${phone}/${certNumber}`] }],
    [400, { caseNumber: `案号${certNumber}` }],
    [404, { purpose: phone }],
    [400, { fields: [certNumber] }],
    [400, { dataset: name }],
    [400, { [certNumber]: name }],
  ]
  for (const [status, change] of wrong)
    await want(faults, status, office.editor, { ...reveals, method: 'POST', body: { ...wanted, records, ...change } })
  for (const who of [office.officer, office.owner, office.auditor])
    await want(faults, 403, who, { ...reveals, method: 'POST', body: { ...wanted, records } })
}

/** Denied to whoever did not ask, before it is approved and when it is over. */
async function playDenied(asking: Asking, revealId: number): Promise<void> {
  const { stage, faults, office } = asking
  for (const who of [office.reviewer, office.officer, office.auditor, office.owner])
    await want(faults, 403, who, { ...reveals, path: lookPath(revealId) })
  const late = await askFor(asking)
  await want(faults, 409, office.editor, { ...reveals, path: lookPath(late) })
  await decide(asking, office.owner, late, 'data')
  await decide(asking, office.officer, late, 'security')
  await stage.owner().query(
    `update gridbridge.reveal set requested_at = requested_at - interval '2 days', expires_at = expires_at - interval '2 days'
      where reveal_id = $1`,
    [late],
  )
  await want(faults, 410, office.editor, { ...reveals, path: lookPath(late) })
  const refused = await askFor(asking)
  await decide(asking, office.owner, refused, 'data', { decision: 'refuse', reason: '案号与事项不符' })
  await want(faults, 409, office.editor, { ...reveals, path: lookPath(refused) })
}

async function listResidents(stage: Stage): Promise<readonly string[]> {
  const { rows } = await stage.owner().query<{ id: string }>(
    `select source_record_id as id from gridbridge.record join gridbridge.feed using (feed_id)
      where feed.code = $1 and sealed is not null order by source_record_id limit 5`,
    [RESIDENT_FEED],
  )
  return rows.map(({ id }) => `${RESIDENT_FEED}/${id}`)
}

/** Whether an answer shows the numbers of canaries in clear, as it should after two others agreed. */
function showsClear({ book }: Stage, answered: Answered): boolean {
  const numbers = new Set(book.canaries().flatMap(({ field, value }) => (field === 'certNumber' ? [value] : [])))
  const { records } = readJson(answered) as {
    records?: readonly { readonly fields: { readonly certNumber: string } }[]
  }
  return records?.every(({ fields }) => numbers.has(fields.certNumber)) ?? false
}

/** Reveals that are asked for, agreed to, looked at, denied, over and reviewed. */
export async function playReveals(stage: Stage, faults: Faults, office: Office): Promise<void> {
  const asking = { stage, faults, office, records: await listResidents(stage) }
  const approved = await askFor(asking)
  await decide(asking, office.owner, approved, 'data')
  await decide(asking, office.officer, approved, 'security')
  const urgent = await askFor(asking, { urgent: true })
  await decide(asking, office.officer, urgent, 'security')
  for (const revealId of [approved, urgent]) {
    if (!showsClear(stage, await look(office.editor, revealId))) faults.push('a look that was agreed to showed nothing')
  }
  await playDenied(asking, approved)
  await askWrongly(asking)
  const review = { ...reveals, method: 'POST', path: `${reveals.path}/${approved}/review` } as const
  await sayPersonally(stage, faults, office.auditor, { ...review, words: (note) => ({ finding: 'ok', note }) })
  await want(faults, 200, office.auditor, { ...review, body: { finding: 'ok', note: '案号与查看范围相符，已核实' } })
  for (const path of [reveals.path, `${reveals.path}?review=true`, `${reveals.path}/${approved}`])
    await want(faults, 200, office.auditor, { ...reveals, path })
}
