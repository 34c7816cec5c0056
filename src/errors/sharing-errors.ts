import type { ErrorEntry } from './error-entry.ts'

/** What can go wrong between the store and a consumer: agreements, pull, push, and the way back. */
export const sharingErrors = {
  CONSUMER_UNKNOWN: { status: 404, retry: false, en: 'No consumer has this name', zh: '没有此名称的使用方' },
  CONSUMER_EXISTS: {
    status: 409,
    retry: false,
    en: 'A consumer with this name exists already',
    zh: '该名称的使用方已存在',
  },
  AGREEMENT_INVALID: { status: 422, retry: false, en: 'The agreement is not acceptable', zh: '共享协议不可接受' },
  CONSUMER_UNAVAILABLE: {
    status: 502,
    retry: true,
    en: 'The consumer did not accept the delivery',
    zh: '使用方未接收推送',
  },
  DELIVERY_CONFLICT: {
    status: 409,
    retry: false,
    en: 'The consumer holds another body under this delivery id',
    zh: '使用方同一推送标识下内容不一致',
  },
  AGREEMENT_MISSING: { status: 403, retry: false, en: 'No agreement grants this', zh: '没有相应的共享协议' },
  AGREEMENT_SUSPENDED: {
    status: 403,
    retry: false,
    en: 'The agreement is suspended',
    zh: '共享协议已暂停',
  },
  PURPOSE_WITHDRAWN: {
    status: 403,
    retry: false,
    en: 'The purpose of the agreement is no longer an item of the service list',
    zh: '共享协议所依据的服务事项已退出清单',
  },
  CONSUMER_STOPPED: {
    status: 403,
    retry: false,
    en: 'Everything for this consumer is stopped',
    zh: '该使用方的共享已全部停止',
  },
  QUERY_ONLY: {
    status: 403,
    retry: false,
    en: 'The agreement allows single queries with a reason and no copy',
    zh: '该协议仅限逐条查询，不得批量获取',
  },
  QUOTA_SPENT: {
    status: 429,
    retry: true,
    en: 'The records that the agreement allows in a day are used up',
    zh: '当日可获取记录数已用完',
  },
  ITEM_UNKNOWN: { status: 404, retry: false, en: 'The service list has no such item', zh: '服务事项清单中无此事项' },
  CURSOR_EXPIRED: {
    status: 410,
    retry: false,
    en: 'The cursor no longer leads on; begin again with a snapshot',
    zh: '游标已失效，请重新获取快照',
  },
  CURSOR_INVALID: { status: 400, retry: false, en: 'The cursor is not one this service gave', zh: '游标无效' },
  CORRECTION_UNKNOWN: { status: 404, retry: false, en: 'There is no such correction', zh: '没有此校核异议' },
  CORRECTION_INVALID: {
    status: 422,
    retry: false,
    en: 'The correction cannot be taken as it is',
    zh: '校核异议无法受理',
  },
  CORRECTION_CONFLICT: {
    status: 409,
    retry: false,
    en: 'Another correction was given this reference',
    zh: '该编号已用于另一校核异议',
  },
  CORRECTION_STATE: {
    status: 409,
    retry: false,
    en: 'The correction is not in a state for this',
    zh: '校核异议当前状态不允许此操作',
  },
  VERIFICATION_CONFLICT: {
    status: 409,
    retry: false,
    en: 'Another verification was given this reference',
    zh: '该编号已用于另一核实结果',
  },
  RECALL_UNKNOWN: { status: 404, retry: false, en: 'There is no such recall', zh: '没有此数据召回' },
  RECALL_STATE: {
    status: 409,
    retry: false,
    en: 'The recall is not in a state for this',
    zh: '数据召回当前状态不允许此操作',
  },
  RECALL_CONFLICT: {
    status: 409,
    retry: false,
    en: 'The recall was acknowledged with something else',
    zh: '该召回已以不同内容确认',
  },
} as const satisfies Record<string, ErrorEntry>
