import { oversightTexts } from '../audit/oversight-texts.ts'
import { AppError } from '../errors.ts'
import type { Query, Transaction } from './database.ts'
import type { Feed } from './feeds.ts'
import { incidentAlerts, type AlertEntry } from './incident-alerts.ts'

/** The closed list of what asks for a person. Texts hold no values. */
export const alertKinds = {
  'source-drifted': {
    en: 'The source changed its fields and the run waits',
    zh: '数源字段发生变化，批次已暂停',
    adviceEn: 'See the drift report; mend the source or the manifest, then resume the run',
    adviceZh: '查看字段变化报告，修复数源或修订接入清单后恢复批次',
  },
  'field-vanished': {
    en: 'A field that the source used to send no longer comes',
    zh: '数源不再提供以往提供的字段',
    adviceEn: 'See the drift report of the run and ask the department',
    adviceZh: '查看字段变化报告并与部门核实',
  },
  'unexplained-difference': {
    en: 'The counts of a run do not add up',
    zh: '批次对账存在无法解释的差异',
    adviceEn: 'Compare the reconciliation certificate with the source',
    adviceZh: '以对账单与数源核对',
  },
  'duplicate-ratio': {
    en: 'Many rows of a run named a record that the run had already read',
    zh: '批次内重复记录比例过高',
    adviceEn: 'Check the paging of the source',
    adviceZh: '检查数源分页是否重复返回',
  },
  'run-stopped': {
    en: 'A run stopped and does not begin again by itself before its next slot',
    zh: '批次已停止，待下次计划时间再启动',
    adviceEn: 'See the reason of the run; for rejected rows export them, have them corrected and sent again',
    adviceZh: '查看停止原因；问题数据过多的，导出后修正并重新报送',
  },
  'source-resting': {
    en: 'The source failed again and again and is left alone for a while',
    zh: '数源连续失败，暂停访问',
    adviceEn: 'Ask the department; a run asked for by hand tries at once',
    adviceZh: '联系部门排查；手动发起批次可立即重试',
  },
  'feed-stale': {
    en: 'No run succeeded within the update cycle that the catalogue promises',
    zh: '超过目录更新周期未成功同步',
    adviceEn: 'See the state and the reason of the last run',
    adviceZh: '查看最近批次的状态与原因',
  },
  'answer-overdue': {
    en: 'An application was not answered within its working days',
    zh: '使用申请超过答复期限',
    adviceEn: 'The data owner and the security administrator decide, or have the term extended once',
    adviceZh: '由数据责任部门与安全管理员作出决定，或经批准延长一次',
  },
  'provision-overdue': {
    en: 'An approved application was not provided within its working days',
    zh: '已同意的使用申请超过提供期限',
    adviceEn: 'Open the service to the consumer and say so',
    adviceZh: '尽快向使用方开通服务并登记',
  },
  'delivery-dead': {
    en: 'A consumer refused a delivery for good; the subscription went on behind it',
    zh: '使用方拒收推送，该批已转入死信，后续推送继续',
    adviceEn: 'See the dead letter and its reason; requeue it when the consumer takes it',
    adviceZh: '查看死信及原因，使用方修复后重新推送',
  },
  'receipt-wrong': {
    en: 'A consumer answered with a receipt that does not fit what was sent',
    zh: '使用方回执与所推送内容不符',
    adviceEn: 'Ask the consumer what it took; nothing counts as delivered meanwhile',
    adviceZh: '与使用方核对接收情况；在此之前该批不计为送达',
  },
  'subscription-broken': {
    en: 'A consumer does not answer; one delivery is tried again and again',
    zh: '使用方无响应，推送已熔断，间歇重试',
    adviceEn: 'Ask the consumer; deliveries go on by themselves when it answers',
    adviceZh: '联系使用方排查；恢复响应后自动继续',
  },
  'subscription-paused': {
    en: 'A subscription was paused, because its consumer failed for too long or refused too much',
    zh: '使用方长时间无响应或连续拒收，订阅已暂停',
    adviceEn: 'Resume it when the consumer is well; nothing is lost meanwhile',
    adviceZh: '使用方恢复后手动恢复订阅，期间数据不丢失',
  },
  'correction-overdue': {
    en: 'A correction was not answered within its working days',
    zh: '校核异议超过答复期限',
    adviceEn: 'The department of the record verifies it and answers: fixed, refused or not found, with the reason',
    adviceZh: '由数源部门核实并答复：已更正、不予更正或无法核实，并说明理由',
  },
  'verification-implausible': {
    en: 'A consumer sent many verification results with one evidence time within seconds',
    zh: '使用方在数秒内报送大量同一取证时间的核实结果',
    adviceEn: 'Ask the consumer how they were made; the results are marked as implausible',
    adviceZh: '向使用方核实取证过程；相关结果已标记存疑',
  },
  'verification-undelivered': {
    en: 'The department does not accept verification results at the address it gave',
    zh: '核实结果回传地址持续未接收',
    adviceEn: 'Look at the fault of the target; the results wait, and can be pulled',
    adviceZh: '查看回传地址的故障原因；结果已保留，也可主动拉取',
  },
  'recall-overdue': {
    en: 'A recall was not acknowledged by every consumer within its working days',
    zh: '数据召回超过确认期限',
    adviceEn: 'See which consumers have not acknowledged and have them remove the records',
    adviceZh: '查看未确认的使用方并督促其清除数据',
  },
  'signing-behind': {
    en: 'The audit log was not signed for a minute; disclosures stop when it lasts',
    zh: '审计日志超过一分钟未签名，持续将停止提供个人信息',
    adviceEn: 'See that the sequencer and the signer run and what they log',
    adviceZh: '检查编位与签名进程是否运行及其日志',
  },
  'witness-late': {
    en: 'A witness does not cosign the checkpoints of the audit log',
    zh: '见证方未及时会签审计检查点',
    adviceEn: 'Ask the security office whether its witness runs and can be reached',
    adviceZh: '联系安全管理部门检查见证服务是否运行、可达',
  },
  'audit-index-broken': {
    en: 'The index of persons in the audit log is damaged; look-ups are answered by reading all manifests, slowly',
    zh: '审计日志人员索引受损，查询改为逐条扫描，结果完整但较慢',
    adviceEn: 'Run gridbridge audit index rebuild and find out who changed the tables',
    adviceZh: '运行 gridbridge audit index rebuild 重建索引，并查明何人改动了数据表',
  },
  ...incidentAlerts,
  'log-tampered': {
    en: 'The audit log is not as it was written',
    zh: '审计日志与写入时不符',
    adviceEn: 'Keep the database as it is, run audit verify against kept checkpoints, and call the security office',
    adviceZh: '保持数据库现状，用留存的检查点运行 audit verify，并立即报告安全管理部门',
  },
  ...oversightTexts,
  'log-scrubbed': {
    en: 'A process wanted to log what looked like the number of a person; it was blotted out',
    zh: '日志中出现疑似个人号码，已遮盖',
    adviceEn: 'Find the call by the code of the line that says scrubbed; it is a fault of the program',
    adviceZh: '按标有 scrubbed 的日志行代码定位写入点，属程序缺陷，须修复',
  },
} as const satisfies Record<string, AlertEntry>

export type AlertKind = keyof typeof alertKinds

export interface Alert {
  readonly alertId: number
  readonly kind: AlertKind
  /** Null for an alert about something else. */
  readonly feed: string | null
  /** What it is about where that is no feed, `application/7`. */
  readonly object: string | null
  /** Whose it is; null: of the whole city. */
  readonly department: string | null
  readonly runId: number | null
  readonly details: Readonly<Record<string, unknown>>
  readonly raisedAt: Date
  readonly acknowledgedAt: Date | null
  readonly acknowledgedBy: string | null
  readonly clearedAt: Date | null
}

/** Codes and counts only. */
type Details = Readonly<Record<string, string | number>>

export interface NewAlert {
  readonly kind: AlertKind
  readonly feed: Pick<Feed, 'feedId' | 'code' | 'dataset'>
  readonly runId: number | null
  readonly details: Details
}

/** An alert about something that is no feed. */
export interface NewObjectAlert {
  readonly kind: AlertKind
  /** Kind and number, `application/7`. */
  readonly object: string
  /** Whose it is; null: of the whole city. */
  readonly department: string | null
  readonly details: Details
}

/** Raises an alert about a feed and writes it down; one that is open already is left as it is. */
export async function raiseAlert({ query, audit }: Transaction, alert: NewAlert): Promise<void> {
  const { kind, feed, runId, details } = alert
  const [row] = await query<{ alertId: number }>(
    `insert into alert (kind, feed_id, run_id, details) values ($1, $2, $3, $4)
       on conflict (feed_id, kind, coalesce(run_id, 0))
         where acknowledged_at is null and cleared_at is null and feed_id is not null do nothing
       returning alert_id as "alertId"`,
    [kind, feed.feedId, runId, JSON.stringify(details)],
  )
  if (row === undefined) return
  await audit({
    type: 'alert.raised',
    actor: 'system:worker',
    outcome: 'ok',
    feed: feed.code,
    dataset: feed.dataset,
    object: `alert/${row.alertId}`,
    details: { kind, run: runId, ...details },
  })
}

/** Raises an alert about an object and writes it down; one that is open already is left as it is. */
export async function raiseObjectAlert({ query, audit }: Transaction, alert: NewObjectAlert): Promise<void> {
  const { kind, object, department, details } = alert
  const [row] = await query<{ alertId: number }>(
    `insert into alert (kind, object, department, details) values ($1, $2, $3, $4)
       on conflict (object, kind) where acknowledged_at is null and cleared_at is null and object is not null do nothing
       returning alert_id as "alertId"`,
    [kind, object, department, JSON.stringify(details)],
  )
  if (row === undefined) return
  await audit({
    type: 'alert.raised',
    actor: 'system:worker',
    outcome: 'ok',
    object: `alert/${row.alertId}`,
    details: { kind, about: object, department, ...details },
  })
}

/** Closes the open alerts of a kind about an object whose cause is gone. */
export async function clearObjectAlert(query: Query, object: string, kind: AlertKind): Promise<void> {
  await query(
    `update alert set cleared_at = clock_timestamp()
      where object = $1 and kind = $2 and acknowledged_at is null and cleared_at is null`,
    [object, kind],
  )
}

/** Closes the open alerts of a kind about a feed whose cause is gone. */
export async function clearAlert(query: Query, feedId: number, kind: AlertKind): Promise<void> {
  await query(
    `update alert set cleared_at = clock_timestamp()
      where feed_id = $1 and kind = $2 and acknowledged_at is null and cleared_at is null`,
    [feedId, kind],
  )
}

const ALERT_COLUMNS = `alert_id as "alertId", kind, feed.code as feed, object, coalesce(feed.department, alert.department) as department,
  run_id as "runId", details, raised_at as "raisedAt", acknowledged_at as "acknowledgedAt", acknowledged_by as "acknowledgedBy", cleared_at as "clearedAt"`

export interface AlertFilter {
  /** Null: of every department. */
  readonly department: string | null
  readonly isOpen: boolean
  /** Alert id of the last one on the page before. */
  readonly before: number | null
  readonly limit: number
}

/** Alerts, the newest first. */
export async function listAlerts(query: Query, filter: AlertFilter): Promise<readonly Alert[]> {
  return query<Alert>(
    `select ${ALERT_COLUMNS} from alert left join feed using (feed_id)
      where ($1::text is null or coalesce(feed.department, alert.department) = $1) and ($2::bigint is null or alert_id < $2)
        and (not $3 or (acknowledged_at is null and cleared_at is null))
      order by alert_id desc limit $4`,
    [filter.department, filter.before, filter.isOpen, filter.limit],
  )
}

/** Throws ALERT_UNKNOWN where there is none, also for an alert of another department. */
export async function findAlert(query: Query, alertId: number, department: string | null): Promise<Alert> {
  const [alert] = await query<Alert>(
    `select ${ALERT_COLUMNS} from alert left join feed using (feed_id)
      where alert_id = $1 and ($2::text is null or coalesce(feed.department, alert.department) = $2)`,
    [alertId, department],
  )
  if (alert === undefined) throw new AppError('ALERT_UNKNOWN', `alert ${alertId}`)
  return alert
}

/** A person has seen the alert. The first one who says so stays. */
export async function acknowledgeAlert({ query, audit }: Transaction, alert: Alert, actor: string): Promise<void> {
  const rows = await query(
    `update alert set acknowledged_at = clock_timestamp(), acknowledged_by = $2
      where alert_id = $1 and acknowledged_at is null returning alert_id`,
    [alert.alertId, actor],
  )
  if (rows.length === 0) return
  const { kind, feed, object: about } = alert
  const object = `alert/${alert.alertId}`
  const fact = { actor, outcome: 'ok', object, ...(feed === null ? {} : { feed }) } as const
  await audit({ ...fact, type: 'alert.acknowledged', details: about === null ? { kind } : { kind, about } })
}

/** Open alerts by kind. */
export async function countOpenAlerts(query: Query): Promise<Readonly<Record<string, number>>> {
  const rows = await query<{ kind: string; alerts: number }>(
    `select kind, count(*) as alerts from alert where acknowledged_at is null and cleared_at is null group by kind`,
  )
  return Object.fromEntries(rows.map((row) => [row.kind, row.alerts]))
}
