import type { EventEntry } from './event-entry.ts'

/** What the log tells of itself. */
export const signingEvents = {
  'lane.closed': {
    personal: false,
    en: 'A lane of the log ended, because its connection is gone; nothing may follow in it',
    zh: '审计通道因连接终止而关闭，其后不得再有条目',
  },
} as const satisfies Record<string, EventEntry>
