/**
 * The one error table. A broken system, a refused request or a wrong setting is an AppError with a code from here; a
 * bad row is never an error, it is a Rejection. `status` is the HTTP answer (RFC 9457), `retry` tells the job runner and
 * the caller whether the same thing may work later. Messages never hold personal values.
 */
interface ErrorEntry {
  readonly status: number
  readonly retry: boolean
  readonly en: string
  readonly zh: string
}

export const errorTable = {
  CONFIG_INVALID: { status: 500, retry: false, en: 'A setting is wrong', zh: '配置有误' },
  USAGE_INVALID: { status: 400, retry: false, en: 'The command was used wrongly', zh: '命令用法有误' },
  MANIFEST_INVALID: { status: 422, retry: false, en: 'The manifest does not fit its schema', zh: '接入清单不符合规范' },
  SCHEMA_INVALID: { status: 422, retry: false, en: 'A dataset schema is not usable', zh: '数据资源模式不可用' },
  SECRET_MISSING: {
    status: 422,
    retry: false,
    en: 'A secret that the manifest names was not given',
    zh: '缺少接入清单所引用的密钥',
  },
  FEED_UNKNOWN: { status: 404, retry: false, en: 'No feed has this code', zh: '没有此编号的数据接入' },
  FEED_EXISTS: { status: 409, retry: false, en: 'A feed with this code exists already', zh: '该编号的数据接入已存在' },
  RECORD_UNKNOWN: { status: 404, retry: false, en: 'No such record', zh: '没有此记录' },
  FEED_STATE: {
    status: 409,
    retry: false,
    en: 'The feed is not in a state for this',
    zh: '数据接入当前状态不允许此操作',
  },
  VERSION_UNKNOWN: { status: 404, retry: false, en: 'The feed has no such version', zh: '数据接入没有此版本' },
  SECOND_PERSON: {
    status: 409,
    retry: false,
    en: 'Another person has to do this',
    zh: '须由另一人办理，不得自提自批',
  },
  GATE_INCOMPLETE: {
    status: 422,
    retry: false,
    en: 'The feed lacks what it needs to go on',
    zh: '数据接入要件不齐，不能进入下一环节',
  },
  ENDPOINT_UNKNOWN: { status: 404, retry: false, en: 'There is no such registered address', zh: '没有此登记地址' },
  CONSUMER_UNKNOWN: { status: 404, retry: false, en: 'No consumer has this name', zh: '没有此名称的使用方' },
  CONSUMER_EXISTS: {
    status: 409,
    retry: false,
    en: 'A consumer with this name exists already',
    zh: '该名称的使用方已存在',
  },
  ACCOUNT_UNKNOWN: { status: 404, retry: false, en: 'No account has this name', zh: '没有此名称的账号' },
  ACCOUNT_EXISTS: {
    status: 409,
    retry: false,
    en: 'An account or a consumer with this name exists already',
    zh: '该名称已被账号或使用方占用',
  },
  AGREEMENT_INVALID: { status: 422, retry: false, en: 'The agreement is not acceptable', zh: '共享协议不可接受' },
  SOURCE_UNAVAILABLE: { status: 502, retry: true, en: 'The department system did not answer', zh: '数源系统无响应' },
  SOURCE_REFUSED: {
    status: 502,
    retry: false,
    en: 'The department system refused the request',
    zh: '数源系统拒绝请求',
  },
  SOURCE_BODY_INVALID: {
    status: 502,
    retry: true,
    en: 'The department system sent a body that cannot be read',
    zh: '数源系统返回内容无法解析',
  },
  SOURCE_KEY_UNUSABLE: {
    status: 502,
    retry: false,
    en: 'The table or view has no key by which every row can be read',
    zh: '数据表或视图没有可供完整读取的键',
  },
  DRIVER_MISSING: {
    status: 503,
    retry: false,
    en: 'The driver of this database is not installed',
    zh: '未安装该数据库的驱动',
  },
  SOURCE_PAGE_REPEATED: {
    status: 502,
    retry: false,
    en: 'The department system repeated a page token',
    zh: '数源系统重复返回同一分页标识',
  },
  SOURCE_LIMIT_EXCEEDED: {
    status: 502,
    retry: false,
    en: 'The department system sent more than the manifest allows',
    zh: '数源系统返回超出清单限定',
  },
  SOURCE_FILE_INVALID: {
    status: 502,
    retry: false,
    en: 'A dropped file does not match its marker or cannot be decoded',
    zh: '数据文件与标识文件不符或无法解码',
  },
  SOURCE_SHRUNK: {
    status: 502,
    retry: false,
    en: 'Too many records would vanish; the deletion waits for a person',
    zh: '待删除比例过高，等待人工确认',
  },
  SOURCE_DRIFTED: {
    status: 502,
    retry: false,
    en: 'The department system no longer sends a required field, or sends another type',
    zh: '数源必填字段消失或类型改变，批次已暂停',
  },
  SOURCE_BLACKOUT: {
    status: 503,
    retry: true,
    en: 'The department system may not be called at this hour',
    zh: '当前处于数源禁止访问时段',
  },
  SOURCE_BUDGET_SPENT: {
    status: 503,
    retry: true,
    en: 'The calls that the department allows in a day are used up',
    zh: '当日对数源的调用次数已用完',
  },
  SOURCE_RESTING: {
    status: 503,
    retry: true,
    en: 'The department system failed again and again and is left alone for a while',
    zh: '数源连续失败，暂停访问',
  },
  SIGNATURE_INVALID: {
    status: 401,
    retry: false,
    en: 'The request is not signed by a department that posts to this feed',
    zh: '请求签名无效或非该接入的报送部门',
  },
  CLOCK_SKEWED: {
    status: 401,
    retry: false,
    en: 'The time of the request is more than five minutes from ours',
    zh: '请求时间与本系统相差超过五分钟',
  },
  REQUEST_REPLAYED: {
    status: 409,
    retry: false,
    en: 'A request with this nonce was received before',
    zh: '该随机数的请求已收到过',
  },
  BATCH_CONFLICT: {
    status: 409,
    retry: false,
    en: 'A batch with this number was received with another body',
    zh: '该批次号已收到过不同内容',
  },
  BATCH_UNKNOWN: { status: 404, retry: false, en: 'No batch has this number', zh: '没有此批次号' },
  RUN_UNKNOWN: { status: 404, retry: false, en: 'No run has this number', zh: '没有此编号的同步批次' },
  RUN_CONFLICT: {
    status: 409,
    retry: false,
    en: 'The run is not in a state that allows this',
    zh: '同步批次当前状态不允许此操作',
  },
  RUN_PAUSED: { status: 409, retry: false, en: 'The run was paused by a person', zh: '同步批次已由人工暂停' },
  RUN_CANCELLED: { status: 409, retry: false, en: 'The run was cancelled by a person', zh: '同步批次已由人工取消' },
  ALERT_UNKNOWN: { status: 404, retry: false, en: 'There is no such alert', zh: '没有此告警' },
  REJECTION_SETTLED: {
    status: 409,
    retry: false,
    en: 'A rejected row was settled in the meantime',
    zh: '问题数据已被处理',
  },
  RESUBMISSION_INVALID: {
    status: 422,
    retry: false,
    en: 'The corrected rows cannot be taken as they are',
    zh: '修正数据无法接收',
  },
  ERROR_BUDGET_SPENT: {
    status: 422,
    retry: false,
    en: 'Too many rows of this run were rejected',
    zh: '本批次问题数据超过限额',
  },
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
  EGRESS_FORBIDDEN: {
    status: 403,
    retry: false,
    en: 'The address is not one this installation may call',
    zh: '目标地址不在允许范围',
  },
  LEASE_LOST: { status: 409, retry: true, en: 'Another worker took this work over', zh: '任务已由其他进程接管' },
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
  AUDIT_UNAVAILABLE: {
    status: 503,
    retry: true,
    en: 'The audit entry could not be written in time, so nothing was answered',
    zh: '审计未能及时落账，本次不予应答',
  },
  DATABASE_UNAVAILABLE: { status: 503, retry: true, en: 'The database did not answer', zh: '数据库无响应' },
  DATABASE_OUTDATED: {
    status: 503,
    retry: false,
    en: 'The database schema does not fit this version; run gridbridge migrate',
    zh: '数据库结构与程序版本不符，请执行 gridbridge migrate',
  },
  KEY_UNAVAILABLE: { status: 503, retry: false, en: 'A key that is needed is not there', zh: '所需密钥不可用' },
  SEAL_BROKEN: { status: 500, retry: false, en: 'Sealed data was changed or moved', zh: '密文被改动或移位' },
  CLIENT_UNAUTHENTICATED: {
    status: 401,
    retry: false,
    en: 'The client is not known or its credentials are wrong',
    zh: '客户端身份未通过',
  },
  TOKEN_INVALID: {
    status: 401,
    retry: false,
    en: 'The access token is not valid or has run out',
    zh: '访问令牌无效或已过期',
  },
  AGREEMENT_MISSING: { status: 403, retry: false, en: 'No agreement grants this', zh: '没有相应的共享协议' },
  FORBIDDEN: {
    status: 403,
    retry: false,
    en: 'The role of this account does not allow this',
    zh: '该账号的角色无权执行此操作',
  },
  PREVIEWS_SPENT: {
    status: 429,
    retry: true,
    en: 'This account has asked for as many previews as it may in an hour',
    zh: '该账号一小时内的预览次数已用完',
  },
  CURSOR_INVALID: { status: 400, retry: false, en: 'The cursor is not one this service gave', zh: '游标无效' },
  REQUEST_INVALID: {
    status: 400,
    retry: false,
    en: 'The request does not fit its description',
    zh: '请求不符合接口说明',
  },
  ROUTE_UNKNOWN: { status: 404, retry: false, en: 'There is nothing at this address', zh: '地址不存在' },
  TOO_LARGE: { status: 413, retry: false, en: 'The body is larger than allowed', zh: '请求内容过大' },
  BUSY: {
    status: 503,
    retry: true,
    en: 'Too much of this is going on at once',
    zh: '同时进行的请求过多，请稍后重试',
  },
  QUEUE_UNSAFE: {
    status: 503,
    retry: false,
    en: 'The queue server may drop jobs as it is set',
    zh: '队列服务配置可能丢失任务',
  },
  INTERNAL: { status: 500, retry: true, en: 'Something broke inside', zh: '内部错误' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

/** A coded failure. `detail` says what was given, what was wanted and what to do, without personal values. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly detail: string

  constructor(code: ErrorCode, detail = '', options?: ErrorOptions) {
    super(detail === '' ? errorTable[code].en : `${errorTable[code].en}: ${detail}`, options)
    this.name = 'AppError'
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return errorTable[this.code].status
  }

  get retry(): boolean {
    return errorTable[this.code].retry
  }
}

/** Any thrown thing as an AppError; what is not one of ours becomes INTERNAL and keeps its cause, never its text. */
export function toAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('INTERNAL', '', { cause: error })
}
