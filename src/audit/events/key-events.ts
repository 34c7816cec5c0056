import type { EventEntry } from './event-entry.ts'

/** What became of the keys of the installation: ids, suites and counts. */
export const keyEvents = {
  'key.announced': {
    personal: false,
    en: 'A new sealing key was made and announced to every process',
    zh: '生成新的加密密钥并通知各进程',
  },
  'key.active': { personal: false, en: 'A new sealing key is in use', zh: '启用新的加密密钥' },
  'key.retired': {
    personal: false,
    en: 'A sealing key that nothing names any more was destroyed',
    zh: '销毁不再使用的加密密钥',
  },
  'key.rewrapped': {
    personal: false,
    en: 'All data keys were wrapped under another key-encryption key',
    zh: '以新的主密钥重新封装全部数据密钥',
  },
} as const satisfies Record<string, EventEntry>
