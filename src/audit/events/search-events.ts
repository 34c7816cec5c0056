import type { EventEntry } from './event-entry.ts'

/** Who looked into the log. They hold back nobody who must find out what happened, so no freeze stops them. */
export const searchEvents = {
  'audit.searched': {
    personal: false,
    en: 'Somebody is about to see entries of the log; of one person, who is named by token',
    zh: '查询审计日志；按人员查询的，以令牌记录其人',
  },
  'audit.reported': {
    personal: false,
    en: 'Somebody is about to take home the report of who saw one person',
    zh: '导出个人信息查询使用情况报告',
  },
  'audit.index-rebuilt': {
    personal: false,
    en: 'The index of persons in the log is made anew',
    zh: '重建审计日志人员索引',
  },
} as const satisfies Record<string, EventEntry>
