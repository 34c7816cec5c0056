import type { EventEntry } from './event-entry.ts'

/** What happens on the way from a department into the store. */
export const ingestEvents = {
  'feed.added': {
    personal: false,
    en: 'A feed was registered and activated by an operator',
    zh: '运维人员登记并启用数据接入',
  },
  'feed.drafted': { personal: false, en: 'A version of a feed was written', zh: '编写数据接入版本' },
  'feed.moved': { personal: false, en: 'A version of a feed moved to another state', zh: '数据接入版本状态变更' },
  'feed.disposed': {
    personal: false,
    en: 'The data of a retired feed was removed as decided',
    zh: '停用接入的数据已按决定处置',
  },
  'feed.tested': { personal: false, en: 'A test batch of a feed was read', zh: '数据接入测试批次' },
  'feed.proved': { personal: false, en: 'A feed was proved against its source', zh: '数据接入上线验证' },
  'feed.previewed': { personal: true, en: 'Rows of a feed are about to be shown to an account', zh: '向账号预览数据' },
  'feed.secret-set': { personal: false, en: 'A secret of a feed was set', zh: '设置数据接入密钥' },
  'endpoint.approved': { personal: false, en: 'An address was registered for a department', zh: '登记部门数源地址' },
  'endpoint.withdrawn': { personal: false, en: 'A registered address was withdrawn', zh: '撤销登记地址' },
  'service-item.published': { personal: false, en: 'An item of the service list was published', zh: '发布服务事项' },
  'service-item.withdrawn': {
    personal: false,
    en: 'An item was taken from the service list',
    zh: '服务事项退出清单',
  },
  'sharing.refused': { personal: false, en: 'A department refused to share a dataset', zh: '部门不予共享' },
  'sharing.reconsidered': { personal: false, en: 'A department took its refusal back', zh: '部门撤回不予共享' },
  'batch.received': { personal: false, en: 'A department posted a batch', zh: '部门报送批次' },
  'run.requested': { personal: false, en: 'A run of a feed was asked for', zh: '请求同步批次' },
  'page.saved': { personal: false, en: 'A page of a run was saved', zh: '保存一页数据' },
  'records.removed': {
    personal: false,
    en: 'Records that the source no longer has were removed',
    zh: '移除数源已无的记录',
  },
  'run.finished': { personal: false, en: 'A run read everything there was', zh: '同步批次完成' },
  'run.postponed': { personal: false, en: 'A run waits and tries again', zh: '同步批次延后重试' },
  'run.stopped': { personal: false, en: 'A run stopped with a reason', zh: '同步批次因故停止' },
  'persons.merged': {
    personal: false,
    en: 'Records of several departments were merged into persons',
    zh: '归并人员信息',
  },
  'conflicts.read': {
    personal: true,
    en: 'Contradictions about persons are about to be shown',
    zh: '查看人员信息冲突',
  },
  'person.parted': {
    personal: false,
    en: 'A reviewer parted a record from the person it was linked to',
    zh: '拆分误并的人员记录',
  },
  'person.joined': {
    personal: false,
    en: 'A reviewer let a record belong to its person again',
    zh: '恢复人员记录关联',
  },
  'run.paused': { personal: false, en: 'A run waits for a person', zh: '同步批次暂停' },
  'run.steered': {
    personal: false,
    en: 'A person paused, resumed or cancelled a run',
    zh: '人工暂停、恢复或取消同步批次',
  },
  'alert.raised': { personal: false, en: 'Something asks for a person', zh: '产生告警' },
  'alert.acknowledged': { personal: false, en: 'A person has seen an alert', zh: '确认告警' },
  'rejections.viewed': {
    personal: true,
    en: 'Masked rejected rows are about to be shown to their department',
    zh: '部门查看脱敏问题数据',
  },
  'rejections.exported': {
    personal: true,
    en: 'Rejected rows are about to be handed back to their department',
    zh: '部门导出问题数据原始行',
  },
  'rejections.resubmitted': {
    personal: false,
    en: 'A department sent corrected rows',
    zh: '部门重新报送修正数据',
  },
  'rejections.expired': {
    personal: false,
    en: 'Rejected rows that nobody corrected in time were removed',
    zh: '问题数据逾期清除',
  },
} as const satisfies Record<string, EventEntry>
