/**
 * The closed list of what is audited: an event that is not here cannot be written. `personal` marks the events after which
 * personal information leaves; docs/events.md lists them all and a test compares the two.
 */
interface EventEntry {
  readonly personal: boolean
  readonly en: string
  readonly zh: string
}

export const auditEvents = {
  'feed.added': {
    personal: false,
    en: 'A feed was registered and activated by an operator',
    zh: '运维人员登记并启用数据接入',
  },
  'feed.drafted': { personal: false, en: 'A version of a feed was written', zh: '编写数据接入版本' },
  'feed.moved': { personal: false, en: 'A version of a feed moved to another state', zh: '数据接入版本状态变更' },
  'feed.disposed': {
    personal: false,
    en: 'The data of a retired feed was removed as decided',
    zh: '停用接入的数据已按决定处置',
  },
  'feed.tested': { personal: false, en: 'A test batch of a feed was read', zh: '数据接入测试批次' },
  'feed.proved': { personal: false, en: 'A feed was proved against its source', zh: '数据接入上线验证' },
  'feed.previewed': { personal: true, en: 'Rows of a feed are about to be shown to an account', zh: '向账号预览数据' },
  'feed.secret-set': { personal: false, en: 'A secret of a feed was set', zh: '设置数据接入密钥' },
  'endpoint.approved': { personal: false, en: 'An address was registered for a department', zh: '登记部门数源地址' },
  'endpoint.withdrawn': { personal: false, en: 'A registered address was withdrawn', zh: '撤销登记地址' },
  'service-item.published': { personal: false, en: 'An item of the service list was published', zh: '发布服务事项' },
  'service-item.withdrawn': {
    personal: false,
    en: 'An item was taken from the service list',
    zh: '服务事项退出清单',
  },
  'sharing.refused': { personal: false, en: 'A department refused to share a dataset', zh: '部门不予共享' },
  'sharing.reconsidered': { personal: false, en: 'A department took its refusal back', zh: '部门撤回不予共享' },
  'batch.received': { personal: false, en: 'A department posted a batch', zh: '部门报送批次' },
  'run.requested': { personal: false, en: 'A run of a feed was asked for', zh: '请求同步批次' },
  'page.saved': { personal: false, en: 'A page of a run was saved', zh: '保存一页数据' },
  'records.removed': {
    personal: false,
    en: 'Records that the source no longer has were removed',
    zh: '移除数源已无的记录',
  },
  'run.finished': { personal: false, en: 'A run read everything there was', zh: '同步批次完成' },
  'run.postponed': { personal: false, en: 'A run waits and tries again', zh: '同步批次延后重试' },
  'run.stopped': { personal: false, en: 'A run stopped with a reason', zh: '同步批次因故停止' },
  'persons.merged': {
    personal: false,
    en: 'Records of several departments were merged into persons',
    zh: '归并人员信息',
  },
  'conflicts.read': {
    personal: true,
    en: 'Contradictions about persons are about to be shown',
    zh: '查看人员信息冲突',
  },
  'person.parted': {
    personal: false,
    en: 'A reviewer parted a record from the person it was linked to',
    zh: '拆分误并的人员记录',
  },
  'person.joined': {
    personal: false,
    en: 'A reviewer let a record belong to its person again',
    zh: '恢复人员记录关联',
  },
  'run.paused': { personal: false, en: 'A run waits for a person', zh: '同步批次暂停' },
  'run.steered': {
    personal: false,
    en: 'A person paused, resumed or cancelled a run',
    zh: '人工暂停、恢复或取消同步批次',
  },
  'alert.raised': { personal: false, en: 'Something asks for a person', zh: '产生告警' },
  'alert.acknowledged': { personal: false, en: 'A person has seen an alert', zh: '确认告警' },
  'rejections.viewed': {
    personal: true,
    en: 'Masked rejected rows are about to be shown to their department',
    zh: '部门查看脱敏问题数据',
  },
  'rejections.exported': {
    personal: true,
    en: 'Rejected rows are about to be handed back to their department',
    zh: '部门导出问题数据原始行',
  },
  'rejections.resubmitted': {
    personal: false,
    en: 'A department sent corrected rows',
    zh: '部门重新报送修正数据',
  },
  'rejections.expired': {
    personal: false,
    en: 'Rejected rows that nobody corrected in time were removed',
    zh: '问题数据逾期清除',
  },
  'consumer.added': { personal: false, en: 'A consumer was registered', zh: '登记使用方' },
  'credential.made': { personal: false, en: 'A credential of a consumer was made', zh: '建立使用方凭证' },
  'credential.retired': {
    personal: false,
    en: 'A credential of a consumer was retired, and its tokens with it',
    zh: '停用使用方凭证及其令牌',
  },
  'account.added': { personal: false, en: 'An account was made', zh: '建立账号' },
  'account.disabled': { personal: false, en: 'An account was disabled', zh: '停用账号' },
  'application.drafted': {
    personal: false,
    en: 'A consumer wrote an application for the use of data',
    zh: '使用方编写使用申请',
  },
  'application.moved': { personal: false, en: 'An application moved along its life', zh: '使用申请办理' },
  'application.expired': { personal: false, en: 'The term of an application is over', zh: '使用申请到期' },
  'agreement.granted': { personal: false, en: 'An agreement came into force', zh: '共享协议生效' },
  'agreement.suspended': {
    personal: false,
    en: 'An agreement was suspended and lets nothing leave',
    zh: '共享协议暂停',
  },
  'agreement.resumed': { personal: false, en: 'A suspended agreement is in force again', zh: '共享协议恢复' },
  'token.issued': { personal: false, en: 'An access token was issued', zh: '签发访问令牌' },
  'access.denied': { personal: false, en: 'A request was refused', zh: '拒绝访问' },
  'changes.pulled': { personal: true, en: 'Changes are about to be answered to a consumer', zh: '向使用方应答变更' },
  'snapshot.pulled': {
    personal: true,
    en: 'A page of a snapshot is about to be answered to a consumer',
    zh: '向使用方应答快照',
  },
  'answer.unchanged': {
    personal: false,
    en: 'A consumer was told that it holds the answer already',
    zh: '告知使用方所持应答未变',
  },
  'record.read': {
    personal: true,
    en: 'One record is about to be answered to a consumer, or that there is none',
    zh: '向使用方应答单条记录或无此记录',
  },
  'record.queried': {
    personal: true,
    en: 'A consumer asked about one person or record with a reason, and is about to be answered',
    zh: '使用方按事由逐条查询',
  },
  'reconciliation.read': {
    personal: false,
    en: 'Counts and set digests of a dataset are about to be answered to a consumer',
    zh: '向使用方应答对账计数与摘要',
  },
  'tombstones.purged': {
    personal: false,
    en: 'Old tombstones were removed',
    zh: '清除过期删除标记',
  },
  'subscription.restarted': {
    personal: false,
    en: 'A subscription begins anew because tombstones that it did not send are gone',
    zh: '订阅因未推送的删除标记已清除而重新开始',
  },
  'delivery.sent': { personal: true, en: 'A delivery is about to be sent to a consumer', zh: '向使用方推送变更' },
  'delivery.acknowledged': { personal: false, en: 'A consumer acknowledged a delivery', zh: '使用方确认推送' },
  'correction.raised': {
    personal: false,
    en: 'A consumer reported that a record is wrong',
    zh: '使用方提出校核异议',
  },
  'correction.moved': { personal: false, en: 'A correction came into another state', zh: '校核异议状态变更' },
  'corrections.viewed': {
    personal: true,
    en: 'Corrections are about to be shown to their consumer or their department',
    zh: '查看校核异议',
  },
  'verifications.received': { personal: false, en: 'A consumer sent verification results', zh: '接收核实结果' },
  'verifications.viewed': {
    personal: true,
    en: 'Verification results are about to be shown to their department',
    zh: '部门查看核实结果',
  },
  'verifications.sent': {
    personal: true,
    en: 'Verification results are about to be sent to their department',
    zh: '向部门回传核实结果',
  },
  'verifications.acknowledged': {
    personal: false,
    en: 'A department acknowledged verification results',
    zh: '部门确认核实结果',
  },
  'verifications.failed': {
    personal: false,
    en: 'Verification results were not acknowledged',
    zh: '核实结果回传未获确认',
  },
  'verification-target.set': {
    personal: false,
    en: 'A department said where verification results are sent',
    zh: '设置核实结果回传地址',
  },
  'verification-target.removed': {
    personal: false,
    en: 'Verification results are sent there no more',
    zh: '停止核实结果回传',
  },
  'notices.pulled': { personal: false, en: 'A consumer asked for its notices', zh: '使用方查询通知' },
  'recall.asked': { personal: false, en: 'A department asked to have records withdrawn', zh: '部门提出数据召回' },
  'recall.moved': { personal: false, en: 'A recall was approved, refused or lifted', zh: '批准、驳回召回或解除限制' },
  'recall.done': { personal: false, en: 'The records of a recall were withdrawn', zh: '数据召回已执行' },
  'recall.acknowledged': {
    personal: false,
    en: 'A consumer acknowledged that it removed recalled records',
    zh: '使用方确认已清除召回数据',
  },
  'delivery.failed': { personal: false, en: 'A delivery was not acknowledged', zh: '推送未获确认' },
  'export.requested': { personal: false, en: 'A consumer asked for an export', zh: '使用方申请批量导出' },
  'export.approved': { personal: false, en: 'A person agreed to an export', zh: '审批同意批量导出' },
  'export.refused': { personal: false, en: 'An export was refused', zh: '批量导出不予提供' },
  'export.part-made': {
    personal: true,
    en: 'A file of an export was made and rests sealed',
    zh: '生成批量导出文件（加密保存）',
  },
  'export.ready': { personal: false, en: 'Every file of an export was made', zh: '批量导出文件已备齐' },
  'export.downloaded': {
    personal: true,
    en: 'A file of an export is about to be answered to its consumer',
    zh: '使用方下载批量导出文件',
  },
  'export.ended': { personal: false, en: 'An export came to its end and its files go', zh: '批量导出终止并清除文件' },
  'delivery.dead': {
    personal: false,
    en: 'A delivery was refused too often and laid aside',
    zh: '推送多次被拒，转为死信',
  },
  'subscription.made': { personal: false, en: 'A subscription was made', zh: '建立推送订阅' },
  'subscription.steered': {
    personal: false,
    en: 'A subscription was paused, resumed or stopped',
    zh: '推送订阅暂停、恢复或停止',
  },
  'subscription.rotated': { personal: false, en: 'A subscription got a new secret', zh: '推送订阅更换密钥' },
  'replay.requested': { personal: false, en: 'A replay of a range was asked for', zh: '请求重放推送' },
  'replay.cancelled': { personal: false, en: 'A replay was cancelled', zh: '取消重放推送' },
  'replay.finished': { personal: false, en: 'A replay has sent everything it had to', zh: '重放推送完成' },
  'consumer.stopped': { personal: false, en: 'Everything for a consumer was stopped', zh: '停止对使用方的全部服务' },
  'consumer.started': { personal: false, en: 'A consumer is served again', zh: '恢复对使用方的服务' },
} as const satisfies Record<string, EventEntry>

export type AuditEventType = keyof typeof auditEvents

/** One fact of access, as the caller states it. Ids, counts and codes only: no names, no numbers, no record values. */
export interface AuditEvent {
  readonly type: AuditEventType
  /** Who: `system:worker`, `operator:<login>`, `consumer:<name>`, `account:<name>`, or `unknown` for a client that was not recognised. */
  readonly actor: string
  readonly outcome: 'ok' | 'denied' | 'failed'
  readonly feed?: string
  readonly dataset?: string
  readonly agreement?: string
  readonly purpose?: string
  readonly object?: string
  readonly count?: number
  /** Hex digest of what was shared, so that what was seen can be proven later without keeping it. */
  readonly outputDigest?: string
  readonly details?: Readonly<Record<string, string | number | boolean | null>>
}
