import type { ErrorEntry } from './error-entry.ts'

/** What can go wrong when evidence of the audit log is handed out. */
export const evidenceErrors = {
  EVIDENCE_UNSIGNED: {
    status: 409,
    retry: true,
    en: 'No checkpoint covers these entries yet, so nothing proves them',
    zh: '尚无检查点覆盖所需审计条目，无法出具证明',
  },
  EVIDENCE_EMPTY: { status: 404, retry: false, en: 'There is no such audit entry', zh: '没有此审计条目' },
} as const satisfies Record<string, ErrorEntry>
