import type { ErrorEntry } from './error-entry.ts'

/** What can go wrong with people: their accounts, how they come in, and who grants what to whom. */
export const identityErrors = {
  SIGN_IN_REFUSED: {
    status: 401,
    retry: false,
    en: 'Name, password and code do not let anybody in',
    zh: '账号名、口令或动态码有误',
  },
  SIGN_IN_LOCKED: {
    status: 429,
    retry: true,
    en: 'Too many attempts failed; wait before the next one',
    zh: '失败次数过多，请稍后再试',
  },
  PASSWORD_EXPIRED: { status: 403, retry: false, en: 'The password is too old; change it', zh: '口令已到期，请先修改' },
  PASSWORD_WEAK: { status: 400, retry: false, en: 'The password will not do', zh: '口令不符合要求' },
  ENROLMENT_INVALID: {
    status: 401,
    retry: false,
    en: 'The enrolment code is not right, was used or has run out',
    zh: '注册码有误、已使用或已过期',
  },
  ORIGIN_FOREIGN: {
    status: 403,
    retry: false,
    en: 'A request with the session cookie came from another site',
    zh: '携带会话的请求来自其他站点',
  },
  IDENTITY_UNSET: {
    status: 404,
    retry: false,
    en: 'This installation has no identity service of the city',
    zh: '本系统未接入统一身份认证',
  },
  IDENTITY_REFUSED: {
    status: 401,
    retry: false,
    en: 'The identity service of the city let nobody in who has an account here',
    zh: '统一身份认证未通过，或该人员在本系统没有账号',
  },
  IDENTITY_UNAVAILABLE: {
    status: 503,
    retry: true,
    en: 'The identity service of the city did not answer',
    zh: '统一身份认证服务无响应',
  },
  PERSON_HAS_ACCOUNT: {
    status: 409,
    retry: false,
    en: 'The person has an account already',
    zh: '该人员已有账号，一人一账号',
  },
  ADMINISTRATION_HELD: {
    status: 409,
    retry: false,
    en: 'The person holds or held another of the three administrations',
    zh: '该人员已任或曾任三员中的其他角色，三员不得兼任',
  },
  ACCOUNT_REQUEST_UNKNOWN: { status: 404, retry: false, en: 'There is no such request', zh: '没有此账号申请' },
  ACCOUNT_REQUEST_STATE: {
    status: 409,
    retry: false,
    en: 'The request was decided already, or another one waits for this account',
    zh: '该申请已办理，或该账号另有待办申请',
  },
} as const satisfies Record<string, ErrorEntry>
