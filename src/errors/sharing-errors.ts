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
  CREDENTIAL_UNKNOWN: { status: 404, retry: false, en: 'No such living credential', zh: '没有此有效凭证' },
  CREDENTIAL_EXISTS: { status: 409, retry: false, en: 'The credential was registered before', zh: '该凭证已登记过' },
  CREDENTIALS_FULL: { status: 409, retry: false, en: 'Two credentials of this kind live', zh: '同类有效凭证已有两个' },
  AGREEMENT_INVALID: { status: 422, retry: false, en: 'The agreement is not acceptable', zh: '共享协议不可接受' },
  APPLICATION_UNKNOWN: { status: 404, retry: false, en: 'There is no such application', zh: '没有此使用申请' },
  APPLICATION_STATE: {
    status: 409,
    retry: false,
    en: 'The application is not in a state for this',
    zh: '使用申请当前状态不允许此操作',
  },
  DATASET_NOT_SHARED: {
    status: 403,
    retry: false,
    en: 'The dataset is not shared; the citation is told',
    zh: '该数据资源不予共享（附依据）',
  },
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
} as const satisfies Record<string, ErrorEntry>
