import type { EventEntry } from './event-entry.ts'

/** What is handed out of the audit log itself. */
export const evidenceEvents = {
  'evidence.exported': {
    personal: false,
    en: 'An evidence package of the audit log is about to be written',
    zh: '导出审计证据包',
  },
  'evidence.proven': {
    personal: false,
    en: 'The proof of one audit entry is about to be answered',
    zh: '出具单条审计条目证明',
  },
} as const satisfies Record<string, EventEntry>
