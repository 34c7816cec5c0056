import type { Answered } from './taint-ask.ts'
import type { CanaryPerson } from './taint-canaries.ts'
import type { Employee, Office, Question } from './taint-accounts.ts'
import type { SinkKind } from './taint-kinds.ts'
import type { Stage } from './taint-stage.ts'

/** What did not come as planned. */
export type Faults = string[]

/** Asks, and writes down an answer that is another than the one that is wanted. */
export async function want(faults: Faults, status: number, who: Employee, question: Question): Promise<unknown> {
  const answered = await who.ask(question)
  if (answered.status !== status)
    faults.push(
      `${who.account}: ${question.method ?? 'GET'} ${question.kind} came to ${answered.status}, not ${status}`,
    )
  return readJson(answered)
}

export function readJson({ body }: Answered): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return null
  }
}

/** A number of a person as people write it into words: as it is, in groups, in wide characters. */
export function disguises({ certNumber, phone }: CanaryPerson): readonly string[] {
  const wide = certNumber.replaceAll(/[\dX]/g, (sign) => String.fromCodePoint(sign.charCodeAt(0) + 0xfee0))
  return [
    certNumber,
    `${certNumber.slice(0, 6)} ${certNumber.slice(6, 14)} ${certNumber.slice(14)}`,
    `${certNumber.slice(0, 6)}-${certNumber.slice(6, 14)}-${certNumber.slice(14)}`,
    wide,
    `${phone.slice(0, 3)} ${phone.slice(3, 7)} ${phone.slice(7)}`,
    phone,
  ]
}

interface Said {
  readonly path: string
  readonly kind: SinkKind
  /** The body with these words in it. */
  readonly words: (words: string) => unknown
}

/** Says something with the number of a person in its words, in every way of writing one: each has to be refused. */
export async function sayPersonally(stage: Stage, faults: Faults, who: Employee, said: Said): Promise<void> {
  for (const number of disguises(stage.book.take())) {
    const body = said.words(`核实 ${number} 的登记信息`)
    await want(faults, 400, who, { method: 'POST', path: said.path, kind: said.kind, body })
  }
}

const freezes = { path: '/api/v1/freezes', kind: 'freeze answers' } as const

/** Freezes a consumer and lifts it; what is refused meanwhile is a problem that names nobody. */
export async function playFreeze(
  stage: Stage,
  faults: Faults,
  office: Office,
  pull: () => Promise<Answered>,
): Promise<void> {
  const { officer, second } = office
  const scope = { scope: 'consumer', name: 'taint-platform' }
  await sayPersonally(stage, faults, officer, { ...freezes, words: (reason) => ({ ...scope, reason }) })
  const body = { ...scope, reason: '凭证泄露' }
  const { freezeId } = (await want(faults, 200, officer, { ...freezes, method: 'POST', body })) as { freezeId: number }
  if ((await pull()).status !== 503) faults.push('a frozen consumer was answered')
  await want(faults, 200, office.auditor, freezes)
  const lift = { ...freezes, method: 'POST', path: `${freezes.path}/${freezeId}/lift` } as const
  await sayPersonally(stage, faults, officer, { ...lift, words: (reason) => ({ reason }) })
  await want(faults, 200, second, { ...lift, body: { reason: '凭证已更换' } })
  const { name, certNumber, phone } = stage.book.take()
  const unknown = { scope: 'feed', name: certNumber, reason: '核实情况' }
  await want(faults, 404, officer, { ...freezes, method: 'POST', body: unknown })
  await want(faults, 404, officer, { ...freezes, method: 'POST', body: { ...unknown, scope: 'consumer', name: phone } })
  await want(faults, 400, officer, { ...freezes, method: 'POST', body: { ...unknown, scope: 'dataset', name } })
}

const contents = {
  categories: '姓名、居民身份证号码、联系电话',
  causes: '使用方运维人员误将凭证提交至外部代码仓库',
  harm: '可能被用于电信网络诈骗',
  measures: '已冻结使用方并更换凭证',
  advice: '警惕陌生来电，及时修改相关账户密码',
  contact: '市网格化服务管理中心 0830-0000000',
  persons: 3,
  records: 3,
} as const

const incidents = { path: '/api/v1/incidents', kind: 'incident papers' } as const

/** An incident from its opening to its report. */
export async function playIncident(stage: Stage, faults: Faults, { officer, second, auditor }: Office): Promise<void> {
  const level = { level: 'ordinary' } as const
  await sayPersonally(stage, faults, officer, { ...incidents, words: (title) => ({ ...level, title }) })
  const knownAt = new Date(Date.now() - 3_600_000).toISOString()
  const body = { ...level, title: '使用方凭证泄露', scope: 'consumer', name: 'taint-platform', knownAt }
  const opened = (await want(faults, 200, officer, { ...incidents, method: 'POST', body })) as { incidentId: number }
  const path = `${incidents.path}/${opened.incidentId}`
  const filed = { ...incidents, method: 'POST', path: `${path}/contents` } as const
  for (const part of ['categories', 'causes', 'measures', 'contact'])
    await sayPersonally(stage, faults, officer, { ...filed, words: (text) => ({ [part]: text }) })
  const endedAt = new Date(Date.now() - 1000).toISOString()
  await want(faults, 200, officer, { ...filed, body: { ...contents, endedAt } })
  const notice = { duty: 'authority', decision: 'sent', recipient: '四川省互联网信息办公室' }
  const noticed = { ...incidents, method: 'POST', path: `${path}/notices` } as const
  await sayPersonally(stage, faults, officer, { ...noticed, words: (evidence) => ({ ...notice, evidence }) })
  await want(faults, 200, officer, { ...noticed, body: { ...notice, evidence: '川网信收〔2026〕7号' } })
  const closed = { ...incidents, method: 'POST', path: `${path}/closure` } as const
  await sayPersonally(stage, faults, second, { ...closed, words: (review) => ({ review }) })
  for (const question of [incidents.path, path, `${path}/report`])
    await want(faults, 200, question.endsWith('report') ? officer : auditor, { ...incidents, path: question })
}
