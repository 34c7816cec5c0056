import type { ErrorEntry } from './error-entry.ts'

/** What the signing of the audit log refuses. */
export const signingErrors = {
  AUDIT_UNSIGNED: {
    status: 503,
    retry: true,
    en: 'The audit log was not signed for too long, so nothing personal is answered',
    zh: '审计日志超时未签名，暂停提供个人信息',
  },
  WITNESS_UNAVAILABLE: {
    status: 503,
    retry: true,
    en: 'A witness did not cosign the checkpoint of the audit log',
    zh: '见证方未会签审计检查点',
  },
} as const satisfies Record<string, ErrorEntry>
