import type { EventEntry } from './event-entry.ts'

/** Who may come in, and with which keys. */
export const securityEvents = {
  'account.added': { personal: false, en: 'An account was made', zh: '建立账号' },
  'account.disabled': { personal: false, en: 'An account was disabled', zh: '停用账号' },
} as const satisfies Record<string, EventEntry>
