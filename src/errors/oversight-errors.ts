import type { ErrorEntry } from './error-entry.ts'

/** What can be refused of oversight, reports and pruning. */
export const oversightErrors = {
  THRESHOLD_INVALID: {
    status: 422,
    retry: false,
    en: 'The threshold of a rule is not acceptable',
    zh: '监督规则阈值不可接受',
  },
  REPORT_UNKNOWN: { status: 404, retry: false, en: 'There is no such report', zh: '没有此报告' },
  PRUNING_UNKNOWN: { status: 404, retry: false, en: 'There is no such pruning', zh: '没有此清除申请' },
  PRUNING_REFUSED: {
    status: 409,
    retry: false,
    en: 'These months of the audit log cannot be removed',
    zh: '该月份的审计日志不得清除',
  },
} as const satisfies Record<string, ErrorEntry>
