import type { EventEntry } from './event-entry.ts'

/** People: who was let in, who was granted what by whom, and every request of the API that has no event of its own. */
export const identityEvents = {
  'account.requested': {
    personal: false,
    en: 'An account, a role or a new enrolment was asked for',
    zh: '申请账号、角色或重新注册',
  },
  'account.request-refused': { personal: false, en: 'A request for an account was refused', zh: '拒绝账号申请' },
  'account.role-changed': { personal: false, en: 'An account got another role', zh: '变更账号角色' },
  'account.enrolment-renewed': { personal: false, en: 'An account may enrol anew', zh: '允许账号重新注册' },
  'account.enrolled': { personal: false, en: 'A person set password and second factor', zh: '人员设置口令与第二因素' },
  'session.opened': { personal: false, en: 'A person signed in', zh: '人员登录' },
  'session.ended': { personal: false, en: 'A person signed out', zh: '人员退出' },
  'session.refused': { personal: false, en: 'Somebody was not let in', zh: '登录被拒绝' },
  'password.changed': { personal: false, en: 'A person changed the password', zh: '人员修改口令' },
  'api.answered': {
    personal: false,
    en: 'A request that has no event of its own was answered',
    zh: '无专门事件的请求已应答',
  },
} as const satisfies Record<string, EventEntry>
