import { auditEvents, type AuditEventType } from './events.ts'

/** What a cell of a report holds: names, codes, counts and times. */
export type Cell = string | number | null

interface Column {
  readonly name: string
  readonly zh: string
  readonly en: string
}

/** One table of a report; rows are objects by the names of the columns. */
export interface SectionForm {
  readonly zh: string
  readonly en: string
  readonly columns: readonly Column[]
}

export interface Section extends SectionForm {
  readonly rows: readonly (readonly Cell[])[]
}

export const reportKinds = ['weekly', 'provision', 'yearly'] as const
export type ReportKind = (typeof reportKinds)[number]

export interface Report {
  readonly kind: ReportKind
  /** First and last day, China Standard Time. */
  readonly from: string
  readonly to: string
  readonly zh: string
  readonly en: string
  readonly sections: readonly Section[]
}

export const reportTitles = {
  weekly: { zh: '审计周报', en: 'Weekly audit report' },
  provision: { zh: '对外提供台账', en: 'Ledger of what was provided' },
  yearly: {
    zh: '个人信息保护合规审计年度报告（底稿）',
    en: 'Yearly compliance audit of personal information (working paper)',
  },
} as const satisfies Record<ReportKind, { readonly zh: string; readonly en: string }>

const column = (name: string, zh: string, en: string): Column => ({ name, zh, en })
const consumer = column('consumer', '使用方', 'Consumer')
const who = column('actor', '主体', 'Who')
const dataset = column('dataset', '数据资源', 'Dataset')
const purpose = column('purpose', '用途（服务事项）', 'Purpose (service item)')
const event = column('event', '事件', 'Event')
const times = column('times', '次数', 'Times')
const records = column('records', '记录数', 'Records')

/** The tables that reports are made of. */
export const sectionForms = {
  accesses: {
    zh: '个人信息访问',
    en: 'Accesses to personal information',
    columns: [who, purpose, dataset, event, times, records],
  },
  denials: {
    zh: '被拒绝的请求',
    en: 'Refused requests',
    columns: [who, column('reason', '原因', 'Reason'), dataset, times],
  },
  alerts: {
    zh: '告警与确认',
    en: 'Alerts and who acknowledged them',
    columns: [
      column('alert', '编号', 'Number'),
      column('kind', '类型', 'Kind'),
      column('about', '对象', 'About'),
      column('raisedAt', '产生时间', 'Raised'),
      column('acknowledgedAt', '确认时间', 'Acknowledged'),
      column('acknowledgedBy', '确认人', 'By'),
      column('clearedAt', '解除时间', 'Cleared'),
    ],
  },
  exports: {
    zh: '批量导出',
    en: 'Exports',
    columns: [who, dataset, event, times, records],
  },
  log: {
    zh: '日志与检查点',
    en: 'The log and its checkpoints',
    columns: [column('measure', '项目', 'Measure'), column('value', '数值', 'Value')],
  },
  provisions: {
    zh: '对外提供记录',
    en: 'What was provided',
    columns: [
      column('day', '日期', 'Day'),
      consumer,
      column('agreement', '协议', 'Agreement'),
      dataset,
      purpose,
      column('item', '事项名称', 'Name of the item'),
      column('fields', '字段与形式', 'Fields and their forms'),
      column('area', '区域范围', 'Area'),
      column('method', '方式', 'Way'),
      times,
      records,
      column('firstAt', '首次时间', 'First'),
      column('lastAt', '末次时间', 'Last'),
    ],
  },
  items: {
    zh: '审计事项',
    en: 'Items',
    columns: [
      column('item', '事项', 'Item'),
      column('itemEn', '事项（英文）', 'Item in English'),
      column('law', '依据', 'Law'),
      column('events', '统计的事件', 'Events counted'),
      column('done', '成功', 'Done'),
      column('refused', '拒绝或失败', 'Refused or failed'),
      column('where', '查证位置', 'Where to look'),
    ],
  },
} as const satisfies Record<string, SectionForm>

export type SectionCode = keyof typeof sectionForms

/** Which tables make up which report. */
export const reportSections = {
  weekly: ['accesses', 'denials', 'alerts', 'exports', 'log'],
  provision: ['provisions'],
  yearly: ['items', 'alerts', 'log'],
} as const satisfies Record<ReportKind, readonly SectionCode[]>

interface AuditItem {
  readonly zh: string
  readonly en: string
  readonly law: string
  readonly events: readonly AuditEventType[]
  readonly where: string
}

const item = (zh: string, en: string, law: string, events: readonly AuditEventType[], where: string): AuditItem => ({
  zh,
  en,
  law,
  events,
  where,
})

/**
 * What a compliance audit asks (个人信息保护法 Art. 54, items after 个人信息保护合规审计管理办法): the figures that the log has for each, and where
 * whoever audits looks further. It judges nothing: a figure is no finding of compliance.
 */
export const auditItems: readonly AuditItem[] = [
  item(
    '处理活动的法定依据与影响评估',
    'Legal basis and impact assessment',
    '个人信息保护法 13、34、55',
    ['feed.moved', 'application.moved'],
    '/api/v1/feeds, /api/v1/applications',
  ),
  item(
    '向其他处理者提供',
    'Provision to others',
    '个人信息保护法 23；网络数据安全管理条例 12',
    [
      'agreement.granted',
      'changes.pulled',
      'snapshot.pulled',
      'record.read',
      'record.queried',
      'delivery.sent',
      'export.downloaded',
    ],
    'gridbridge audit report provision',
  ),
  item(
    '协议到期、暂停与停止',
    'Agreements that ended, were suspended or stopped',
    '个人信息保护法 21、23',
    ['application.expired', 'agreement.suspended', 'consumer.stopped'],
    '/api/v1/sharing-list',
  ),
  item(
    '内部人员查看',
    'What people of the offices saw',
    '个人信息保护法 10、51',
    [
      'feed.previewed',
      'rejections.viewed',
      'rejections.exported',
      'conflicts.read',
      'corrections.viewed',
      'verifications.viewed',
    ],
    '/api/v1/audit/reports',
  ),
  item(
    '更正与补充',
    'Corrections',
    '个人信息保护法 8、46',
    ['correction.raised', 'correction.moved', 'verifications.received'],
    '/api/v1/corrections',
  ),
  item(
    '删除与召回',
    'Deletion and recall',
    '个人信息保护法 47',
    ['recall.asked', 'recall.done', 'recall.acknowledged', 'tombstones.purged', 'rejections.expired', 'feed.disposed'],
    '/api/v1/recalls',
  ),
  item(
    '访问控制与拒绝',
    'Access control',
    '个人信息保护法 51',
    ['token.issued', 'access.denied'],
    'event access.denied',
  ),
  item(
    '账号与凭证管理',
    'Accounts and credentials',
    '个人信息保护法 51',
    ['account.added', 'account.disabled', 'credential.made', 'credential.retired'],
    '/api/v1/consumers',
  ),
  item(
    '监督规则与告警处置',
    'Oversight and what was done about alerts',
    '个人信息保护法 51、54',
    ['oversight.found', 'oversight.changed', 'alert.raised', 'alert.acknowledged'],
    '/api/v1/oversight/rules, /api/v1/alerts',
  ),
  item(
    '日志完整性与留存',
    'The log: whole and kept',
    '网络数据安全管理条例 12；网络安全法 21',
    ['log.checked', 'pruning.approved', 'pruning.done', 'report.made', 'report.read'],
    'gridbridge audit verify, /api/v1/audit/checks',
  ),
]

/** Events after which personal information left or was seen. */
export const personalEvents: readonly string[] = Object.entries(auditEvents).flatMap(([type, { personal }]) =>
  personal ? [type] : [],
)

/** Rows of objects as rows of cells, in the order of the columns. */
export const toSection = (code: SectionCode, rows: readonly Readonly<Record<string, Cell>>[]): Section => ({
  ...sectionForms[code],
  rows: rows.map((row) => sectionForms[code].columns.map(({ name }) => row[name] ?? null)),
})
