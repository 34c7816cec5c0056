import type { EventEntry } from './event-entry.ts'

/** How the log itself is watched, told of and kept. */
export const oversightEvents = {
  'oversight.found': {
    personal: false,
    en: 'A rule of oversight found something in the log',
    zh: '监督规则命中',
  },
  'oversight.changed': {
    personal: false,
    en: 'Thresholds of a rule of oversight were changed',
    zh: '修改监督规则阈值',
  },
  'oversight.read': { personal: false, en: 'Rules of oversight were read', zh: '查看监督规则' },
  'report.made': { personal: false, en: 'A report of the audit log was made', zh: '生成审计报告' },
  'report.read': { personal: false, en: 'A report of the audit log was read', zh: '查看审计报告' },
  'log.checked': { personal: false, en: 'The product checked its own audit log', zh: '审计日志自检' },
  'pruning.asked': {
    personal: false,
    en: 'Old months of the audit log were archived and their removal was asked for',
    zh: '归档审计日志旧月份并申请清除',
  },
  'pruning.approved': {
    personal: false,
    en: 'A second person agreed that archived months of the audit log are removed',
    zh: '第二人批准清除已归档的审计日志',
  },
  'pruning.done': {
    personal: false,
    en: 'Archived months of the audit log were removed',
    zh: '已清除归档的审计日志月份',
  },
} as const satisfies Record<string, EventEntry>
