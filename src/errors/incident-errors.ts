import type { ErrorEntry } from './error-entry.ts'

/** Clear values that people look at, freezes, and incidents. */
export const incidentErrors = {
  FROZEN: {
    status: 503,
    retry: true,
    en: 'This is frozen by order of those responsible; ask again later',
    zh: '已按应急处置要求冻结，请稍后重试',
  },
  FREEZE_UNKNOWN: { status: 404, retry: false, en: 'There is no such freeze', zh: '没有此冻结' },
  FREEZE_STATE: { status: 409, retry: false, en: 'The freeze is lifted already', zh: '该冻结已解除' },
  INCIDENT_UNKNOWN: { status: 404, retry: false, en: 'There is no such incident', zh: '没有此安全事件' },
  INCIDENT_STATE: {
    status: 409,
    retry: false,
    en: 'The incident is not in a state that allows this',
    zh: '安全事件当前状态不允许此操作',
  },
  INCIDENT_INCOMPLETE: {
    status: 409,
    retry: false,
    en: 'The record of the incident lacks what has to be in it before it is closed',
    zh: '安全事件记录不完整，不能办结',
  },
  REVEAL_UNKNOWN: { status: 404, retry: false, en: 'There is no such request to reveal', zh: '没有此明文查看申请' },
  REVEAL_STATE: {
    status: 409,
    retry: false,
    en: 'The request to reveal is not in a state that allows this',
    zh: '明文查看申请当前状态不允许此操作',
  },
  REVEAL_EXPIRED: {
    status: 410,
    retry: false,
    en: 'The time for looking is over; ask anew where it is still needed',
    zh: '明文查看时限已过，确有需要请重新申请',
  },
  REVEALS_SPENT: {
    status: 429,
    retry: false,
    en: 'This account has asked to reveal as often as it may in a day',
    zh: '该账号当日明文查看申请次数已用完',
  },
} as const satisfies Record<string, ErrorEntry>
