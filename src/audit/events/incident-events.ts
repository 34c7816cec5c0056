import type { EventEntry } from './event-entry.ts'

/** Looks at clear values, freezes and incidents. */
export const incidentEvents = {
  'reveal.asked': {
    personal: false,
    en: 'A person asked to see clear values of named records',
    zh: '申请明文查看指定记录',
  },
  'reveal.approved': { personal: false, en: 'A person agreed to a reveal', zh: '审批同意明文查看' },
  'reveal.refused': { personal: false, en: 'A person refused a reveal', zh: '审批不同意明文查看' },
  'reveal.looked': {
    personal: true,
    en: 'Clear values of named records are about to be shown to an account',
    zh: '向账号展示指定记录的明文',
  },
  'reveal.reviewed': { personal: false, en: 'A reveal was reviewed afterwards', zh: '明文查看事后复核' },
  'freeze.set': { personal: false, en: 'Something was frozen', zh: '应急冻结' },
  'freeze.lifted': { personal: false, en: 'A second person lifted a freeze', zh: '解除冻结（双人）' },
  'incident.opened': { personal: false, en: 'The record of an incident was opened', zh: '建立安全事件记录' },
  'incident.changed': { personal: false, en: 'The record of an incident was added to', zh: '补充安全事件记录' },
  'incident.noticed': {
    personal: false,
    en: 'A notice of an incident was sent, or waived with a reason',
    zh: '登记安全事件报告或通知',
  },
  'incident.reported': { personal: false, en: 'The report of an incident was made', zh: '导出安全事件报告' },
  'incident.closed': { personal: false, en: 'An incident was closed with its review', zh: '安全事件办结' },
} as const satisfies Record<string, EventEntry>
