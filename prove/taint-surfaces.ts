import { gzipSync } from 'node:zlib'
import { setTimeout as wait } from 'node:timers/promises'
import type { Employee, Office, Question } from './taint-accounts.ts'
import type { Answered } from './taint-ask.ts'
import { RESIDENT_FEED } from './taint-feeds.ts'
import { disguises, readJson, want, type Faults } from './taint-office.ts'
import { residentRow } from './taint-rows.ts'
import type { Stage } from './taint-stage.ts'

type AskAs = (question: Question) => Promise<Answered>

const feed = `/api/v1/feeds/${RESIDENT_FEED}`
const rows = { path: `${feed}/rejections/rows?limit=200`, kind: 'masked rows' } as const

interface Rejections {
  /** None where the answer is a refusal. */
  readonly rejections?: readonly { readonly rejectionId: number }[]
}

/** Refused rows: shown masked, given to their own department in clear as files, and sent again, rightly and wrongly. */
async function playRejections(stage: Stage, faults: Faults, { editor, engineer }: Office): Promise<void> {
  const { rejections = [] } = (await want(faults, 200, editor, rows)) as Rejections
  for (const format of ['csv', 'xlsx']) {
    const path = `${feed}/rejections/export?format=${format}`
    await want(faults, 200, editor, { path, kind: 'masked rows', isAllowed: true })
    await want(faults, 403, engineer, { path, kind: 'masked rows' })
  }
  const ids = rejections.map(({ rejectionId }) => rejectionId)
  const [good, bad] = [stage.book.take(), stage.book.take()]
  const sent = [residentRow(good), { ...residentRow(bad), gmsfhm: `${bad.certNumber}9`, [bad.name]: bad.phone }]
  const corrected = sent.map((row, place) => ({
    rejectionId: ids[place],
    row: { ...row, gxsj: '2025-06-30T08:00:00+08:00' },
  }))
  const path = `${feed}/rejections/resubmissions`
  await editor.ask({ method: 'POST', path, kind: 'masked rows', body: { rows: corrected } })
  await editor.ask({
    method: 'POST',
    path,
    kind: 'masked rows',
    body: { rows: [{ rejectionId: bad.phone, row: good }] },
  })
}

const drafts = '/api/v1/feeds'

/** A value so deep that a reader without a limit falls over it. */
const nested = (value: string): string => `${'['.repeat(5000)}"${value}"${']'.repeat(5000)}`

/** Drafts, schemas and bodies that mean harm, with canaries in every place that an answer could repeat. */
async function playHostile(stage: Stage, { editor, engineer, auditor }: Office): Promise<void> {
  const { name, certNumber, phone, mark } = stage.book.take()
  const schema = {
    $id: certNumber,
    title: name,
    properties: { [name]: { const: certNumber, pattern: `(${phone}+)+$` }, [phone]: { enum: [certNumber, mark] } },
    [certNumber]: name,
  }
  const questions: readonly (readonly [Employee, Question])[] = [
    [editor, { method: 'POST', path: drafts, body: { feed: { code: certNumber, title: name }, source: phone } }],
    [editor, { method: 'POST', path: drafts, body: { manifest: { [name]: certNumber } } }],
    [editor, { method: 'POST', path: drafts, body: `{"a":${nested(certNumber)}}` }],
    [editor, { method: 'PUT', path: `${feed}/draft`, body: { feed: { code: certNumber }, [phone]: name } }],
    [editor, { method: 'PUT', path: `${feed}/secrets/${phone}`, body: { value: certNumber } }],
    [editor, { path: `/api/v1/feeds/${phone}/versions` }],
    [editor, { path: `/api/v1/feeds/${certNumber}` }],
    [editor, { path: `/api/v1/runs/${phone}` }],
    [editor, { path: `/api/v1/runs?feed=${certNumber}` }],
    [engineer, { method: 'POST', path: '/api/v1/datasets/resident/impact', body: { schema } }],
    [
      engineer,
      { method: 'POST', path: '/api/v1/datasets/resident/impact', body: `{"schema":{"${name}":${nested(phone)}}}` },
    ],
    [engineer, { method: 'POST', path: '/api/v1/consumers', body: { name: phone, [name]: certNumber } }],
    [engineer, { path: `/api/v1/consumers/${certNumber}/credentials` }],
    [engineer, { method: 'PUT', path: `/api/v1/service-items/${phone}`, body: { name, county: certNumber } }],
    [engineer, { path: `/api/v1/persons/conflicts?cursor=${certNumber}` }],
    [auditor, { path: `/api/v1/audit/entries/${certNumber}/proof` }],
    [auditor, { path: `/api/v1/usage?from=${certNumber}&to=${phone}` }],
  ]
  for (const [who, question] of questions) await who.ask(question)
}

/** What the people of a department and of the city look at every day. */
async function lookAtWork(
  stage: Stage,
  faults: Faults,
  { editor, reviewer, engineer, auditor }: Office,
): Promise<void> {
  const { rows: runs } = await stage
    .owner()
    .query<{ id: number }>(
      `select run_id as id from gridbridge.run join gridbridge.feed using (feed_id) where code = $1 order by 1 limit 2`,
      [RESIDENT_FEED],
    )
  const seen = [
    feed,
    `${feed}/versions`,
    `${feed}/health`,
    `${feed}/rejections`,
    '/api/v1/runs',
    '/api/v1/persons/conflicts',
  ]
  const ofRun = runs.flatMap(({ id }) => ['', '/certificate', '/drift'].map((what) => `/api/v1/runs/${id}${what}`))
  for (const path of [...seen, ...ofRun, '/api/v1/account', '/api/v1/catalogue', '/api/v1/coverage'])
    await want(faults, 200, editor, { path })
  for (const path of ['/api/v1/consumers', '/api/v1/subscriptions', '/api/v1/endpoints', '/api/v1/usage/ledger'])
    await want(faults, 200, engineer, { path })
  await auditor.ask({ path: '/api/v1/usage' })
  await reviewer.ask({ path: `${feed}/corrections` })
  // Clear values are shown to accounts of the own department only.
  await want(faults, 200, editor, { method: 'POST', path: `${feed}/preview`, isAllowed: true })
  await want(faults, 200, engineer, { method: 'POST', path: `${feed}/preview`, kind: 'masked rows' })
  await editor.ask({ method: 'POST', path: `${feed}/test`, kind: 'masked rows' })
}

const MOST_TRIES = 150

interface Manifest {
  readonly parts: readonly { readonly url: string }[]
}

/** A bulk export, from the request to its files. */
async function playExport(faults: Faults, consumer: AskAs): Promise<void> {
  const asked = readJson(await consumer({ method: 'POST', path: '/api/v1/datasets/resident/exports' }))
  const { exportId } = asked as { exportId: number }
  let manifest: Manifest | null = null
  for (let tries = 0; tries < MOST_TRIES && manifest === null; tries++) {
    await wait(200)
    const answered = await consumer({ path: `/api/v1/exports/${exportId}/manifest` })
    if (answered.status === 200) manifest = readJson(answered) as Manifest
  }
  if (manifest === null) return void faults.push('no export was made')
  for (const { url } of manifest.parts) {
    const { status } = await consumer({ path: new URL(url, 'http://here').pathname, kind: 'export files' })
    if (status !== 200) faults.push(`a file of an export came to ${status}`)
  }
  await consumer({ path: '/api/v1/exports' })
}

/** What a consumer says about persons: queries and corrections, in which numbers belong in one place and in no other. */
async function playConsumer(stage: Stage, consumer: AskAs, records: readonly string[]): Promise<void> {
  const { certNumber, phone, name, mark } = stage.book.take()
  const [id = ''] = records
  const query = { caseNumber: '泸公信〔2026〕12号', reason: '核实走失人员身份信息' }
  const subject = { certType: '111', certNumber }
  const queries: readonly unknown[] = [
    { ...query, subject },
    { ...query, id },
    { ...query, id: `${RESIDENT_FEED}/${certNumber}` },
    { ...query, subject: { certType: phone, certNumber: name } },
    ...disguises(stage.book.take()).map((reason) => ({ ...query, subject, reason: `核实 ${reason} 的情况` })),
    { ...query, subject, caseNumber: `案号${certNumber}` },
  ]
  for (const body of queries) await consumer({ method: 'POST', path: '/api/v1/datasets/resident/queries', body })
  const correction = { dataset: 'resident', id, version: 1, kind: 'wrong-value', field: 'phone' }
  const corrections: readonly unknown[] = [
    { ...correction, observed: phone, note: `${mark} ${certNumber} ${name}` },
    { ...correction, id: `${RESIDENT_FEED}/${phone}`, observed: phone },
    { ...correction, field: certNumber, observed: phone },
    { ...correction, dataset: certNumber },
  ]
  for (const body of corrections) await consumer({ method: 'POST', path: '/api/v1/corrections', body })
  for (const path of [id, `${RESIDENT_FEED}/${certNumber}`, `${phone}/${certNumber}`])
    await consumer({ path: `/api/v1/datasets/resident/records/${path}` })
  const observed = { feed: RESIDENT_FEED, recordId: id.split('/')[1], outcome: certNumber, note: name }
  await consumer({ method: 'POST', path: '/api/v1/verifications', body: observed })
  for (const path of ['/api/v1/notices', '/api/v1/corrections', '/api/v1/recalls', `/api/v1/notices?cursor=${phone}`])
    await consumer({ path })
}

/** Compressed bodies are not taken; a bomb would else burst here. */
async function sendBomb(stage: Stage, address: string): Promise<void> {
  const body = new Uint8Array(gzipSync(stage.book.take().certNumber.repeat(200_000)))
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const answer = await fetch(`${address}/oauth/token`, { method: 'POST', headers, body })
  stage.capture.write('problem answers', 'a bomb', `${answer.status} ${await answer.text()}`)
}

/** Everything else that people and consumers see and send. */
export async function playSurfaces(
  stage: Stage,
  faults: Faults,
  office: Office,
  { address, consumer }: { readonly address: string; readonly consumer: AskAs },
): Promise<void> {
  const { rows: named } = await stage.owner().query<{ id: string }>(
    `select feed.code || '/' || source_record_id as id from gridbridge.record join gridbridge.feed using (feed_id)
      where feed.code = $1 and sealed is not null order by 1 desc limit 3`,
    [RESIDENT_FEED],
  )
  await lookAtWork(stage, faults, office)
  await playRejections(stage, faults, office)
  await playHostile(stage, office)
  await playConsumer(
    stage,
    consumer,
    named.map(({ id }) => id),
  )
  await playExport(faults, consumer)
  await sendBomb(stage, address)
}
