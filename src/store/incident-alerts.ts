export interface AlertEntry {
  readonly en: string
  readonly zh: string
  readonly adviceEn: string
  readonly adviceZh: string
}

/** What asks for a person about clear values that were looked at, freezes and incidents. */
export const incidentAlerts = {
  frozen: {
    en: 'Something is frozen: nothing of it is taken in or leaves',
    zh: '已实施应急冻结，相关数据停止接入与提供',
    adviceEn: 'See the freeze and its reason; a second person lifts it when the danger is over',
    adviceZh: '查看冻结范围与原因；险情解除后由另一人解除冻结',
  },
  'reveal-opened': {
    en: 'Somebody looks at clear values under an approved request',
    zh: '有账号正在按审批查看明文',
    adviceEn: 'The audit administrator reviews it within 24 hours',
    adviceZh: '由审计管理员在 24 小时内复核',
  },
  'reveal-break-glass': {
    en: 'BREAK-GLASS: somebody asked for clear values with one approval only',
    zh: '【紧急】有账号以单人审批方式申请紧急明文查看',
    adviceEn: 'Ask the requester and the approver now; the audit administrator reviews it within 24 hours with a note',
    adviceZh: '立即向申请人、审批人核实；审计管理员须在 24 小时内书面复核',
  },
  'reveal-unreviewed': {
    en: 'A reveal was not reviewed within 24 hours',
    zh: '明文查看超过 24 小时未复核',
    adviceEn: 'The audit administrator reviews it: were purpose, case and records right?',
    adviceZh: '由审计管理员复核目的、案号与查看范围是否相符',
  },
  'reveal-misused': {
    en: 'The review of a reveal found that it was not right',
    zh: '明文查看复核结论为不符合',
    adviceEn: 'Open an incident where personal information was misused',
    adviceZh: '涉嫌违规使用个人信息的，建立安全事件记录',
  },
  'incident-due': {
    en: 'A notice of an incident is due soon',
    zh: '安全事件报告或通知期限将至',
    adviceEn: 'Send the notice and record it, or record why it is waived',
    adviceZh: '尽快报告或通知并登记，或登记不予通知的理由',
  },
  'incident-overdue': {
    en: 'A notice of an incident was not sent in time',
    zh: '安全事件报告或通知已逾期',
    adviceEn: 'Send the notice now and record it with the reason of the delay',
    adviceZh: '立即报告或通知并登记，说明逾期原因',
  },
} as const satisfies Record<string, AlertEntry>
