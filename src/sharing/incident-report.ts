import { AppError } from '../errors.ts'
import { deadlinesOf, type Deadline } from '../feeds/incident-duties.ts'
import type { IncidentDuty } from '../feeds/jurisdiction.ts'
import type { Account } from '../store/accounts.ts'
import type { Query, Transaction } from '../store/database.ts'
import { listFreezesOfIncident, type Freeze } from '../store/freezes.ts'
import {
  closeIncident,
  listNotices,
  lockIncident,
  type Disclosed,
  type Incident,
  type KeptNotice,
} from '../store/incidents.ts'

/** An incident with everything that belongs to it. */
export interface IncidentFile {
  readonly incident: Incident
  readonly deadlines: readonly Deadline[]
  readonly notices: readonly KeptNotice[]
  readonly freezes: readonly Freeze[]
}

export async function readIncidentFile(
  query: Query,
  incident: Incident,
  duties: readonly IncidentDuty[],
  now = new Date(),
): Promise<IncidentFile> {
  const notices = await listNotices(query, incident.incidentId)
  const freezes = await listFreezesOfIncident(query, incident.incidentId)
  return { incident, notices, freezes, deadlines: deadlinesOf(incident, duties, notices, now) }
}

/** What PIPL Art. 57 and the counts want, by its title in a report. */
const wanted = {
  endedAt: '事件结束时间',
  categories: '涉及的信息种类',
  causes: '原因',
  harm: '可能造成的危害',
  measures: '已采取的补救措施',
  advice: '个人可以采取的减轻危害的措施',
  contact: '个人信息处理者的联系方式',
  persons: '涉及人数',
  records: '涉及记录数',
} as const satisfies Partial<Record<keyof Incident, string>>
const WANTED = Object.keys(wanted) as readonly (keyof typeof wanted)[]

/**
 * Closes an incident whose record is whole and whose notices were sent or waived. Throws SECOND_PERSON for whoever opened it,
 * INCIDENT_INCOMPLETE naming what is missing, INCIDENT_STATE, INCIDENT_UNKNOWN.
 */
export async function closeWholeIncident(
  transaction: Transaction,
  incidentId: number,
  duties: readonly IncidentDuty[],
  review: string,
  account: Account,
): Promise<void> {
  const { query } = transaction
  const incident = await lockIncident(query, incidentId)
  const { deadlines, freezes } = await readIncidentFile(query, incident, duties)
  const missing = [
    ...WANTED.filter((member) => incident[member] === null),
    ...deadlines.filter(({ state }) => !state.startsWith('done')).map(({ duty }) => `notice to ${duty}`),
    ...freezes.filter(({ liftedAt }) => liftedAt === null).map(({ freezeId }) => `lift of freeze ${freezeId}`),
  ]
  if (missing.length > 0) throw new AppError('INCIDENT_INCOMPLETE', `wanted: ${missing.join(', ')}`)
  await closeIncident(transaction, incident, review, account)
}

const levels = { ordinary: '一般', larger: '较大', major: '重大', extreme: '特别重大' } as const
const states = { open: '处置中', contained: '已控制', closed: '已办结' } as const
const scopes = {
  feed: '数据接入',
  consumer: '使用方',
  dataset: '数据资源',
  department: '部门',
  everything: '全部',
} as const
const progress: Readonly<Record<Deadline['state'], string>> = {
  running: '期限内',
  'due-soon': '即将到期',
  overdue: '已逾期',
  done: '已完成',
  'done-late': '逾期完成',
}

/** Beijing time to the minute. */
const clock = (at: Date): string => new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 16).replace('T', ' ')
const said = (value: Date | string | number | null): string =>
  value === null ? '（待补充）' : value instanceof Date ? clock(value) : String(value)

const numbered = (title: string, lines: readonly string[]): readonly string[] => [
  '',
  title,
  ...(lines.length === 0 ? ['无'] : lines.map((line, index) => `${index + 1}. ${line}`)),
]

const aboutOf = ({ scope, name }: Pick<Incident, 'scope' | 'name'>): string =>
  scope === null ? '（待补充）' : `${scopes[scope]}${name === null ? '' : ` ${name}`}`

const headOf = (incident: Incident, madeAt: Date): readonly string[] => [
  '个人信息安全事件报告',
  `报告编号：incident/${incident.incidentId}    生成时间：${clock(madeAt)}（北京时间）`,
  '',
  `事件名称：${incident.title}`,
  `事件级别：${levels[incident.level]}    状态：${states[incident.state]}`,
  `涉及对象：${aboutOf(incident)}`,
  `发生时间：${clock(incident.beganAt)}    发现时间：${clock(incident.knownAt)}`,
]

/** The report in Chinese, as plain text: the contents of PIPL Art. 57, deadlines, notices, freezes, and what left to whom. */
export function writeReport(file: IncidentFile, disclosed: readonly Disclosed[], madeAt: Date): string {
  const { incident, deadlines, notices, freezes } = file
  return [
    ...headOf(incident, madeAt),
    ...numbered(
      '一、事件内容（个人信息保护法第五十七条）',
      WANTED.map((member) => `${wanted[member]}：${said(incident[member])}`),
    ),
    ...numbered(
      '二、法定期限',
      deadlines.map(
        ({ zh, dueAt, state, source }) => `${zh}：${clock(dueAt)} 前，${progress[state]}（依据：${source}）`,
      ),
    ),
    ...numbered(
      '三、报告与通知',
      notices.map(
        (one) =>
          `${clock(one.noticedAt)} ${one.decision === 'sent' ? '已送达' : '不予通知'} ${one.recipient}；凭证或理由：${one.evidence}`,
      ),
    ),
    ...numbered(
      '四、应急冻结',
      freezes.map(
        (one) =>
          `${clock(one.frozenAt)} 冻结${aboutOf(one)}；${one.liftedAt === null ? '尚未解除' : `${clock(one.liftedAt)} 解除`}`,
      ),
    ),
    ...numbered(
      '五、事件期间数据流向（据审计日志统计）',
      disclosed.map(
        (one) =>
          `${one.receiver} ${one.dataset ?? '—'}：${one.answers} 次，${one.records} 条，${clock(one.firstAt)} 至 ${clock(one.lastAt)}`,
      ),
    ),
    ...numbered('六、复盘结论', incident.review === null ? [] : [incident.review]),
    '',
  ].join('\n')
}
