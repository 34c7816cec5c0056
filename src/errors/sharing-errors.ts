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
  EXPORT_UNKNOWN: {
    status: 404,
    retry: false,
    en: 'There is no such export or file of one',
    zh: '没有此批量导出或其文件',
  },
  EXPORT_EXISTS: {
    status: 409,
    retry: false,
    en: 'An export of this dataset is being made or kept already',
    zh: '该数据资源的批量导出正在生成或尚未清除',
  },
  EXPORT_STATE: {
    status: 409,
    retry: false,
    en: 'The export is not in a state for this',
    zh: '批量导出当前状态不允许此操作',
  },
  EXPORT_OUTDATED: {
    status: 409,
    retry: false,
    en: 'The agreement changed since the export was asked for',
    zh: '申请导出后共享协议已变更',
  },
  EXPORT_EXPIRED: {
    status: 410,
    retry: false,
    en: 'The files of the export are gone',
    zh: '批量导出文件已清除',
  },
  EXPORT_REFUSED: {
    status: 403,
    retry: false,
    en: 'A person who has to agree to the export refused it',
    zh: '批量导出未获审批同意',
  },
  EXPORT_REIDENTIFIES: {
    status: 403,
    retry: false,
    en: 'Too many records of the export could be traced back to a person',
    zh: '批量导出中可重新识别到个人的记录过多',
  },
  RANGE_UNSATISFIABLE: {
    status: 416,
    retry: false,
    en: 'The file does not reach so far',
    zh: '请求的范围超出文件长度',
  },
} as const satisfies Record<string, ErrorEntry>
