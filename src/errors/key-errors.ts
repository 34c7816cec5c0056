import type { ErrorEntry } from './error-entry.ts'

/** What goes wrong with keys while they rotate. KEY_UNAVAILABLE, a key that is not there at all, is with the platform's. */
export const keyErrors = {
  KEY_NEWER: {
    status: 503,
    retry: true,
    en: 'A value names a key that this process has not loaded yet',
    zh: '密文使用的密钥尚未载入本进程，请重试',
  },
  KEY_RETIRED: {
    status: 503,
    retry: true,
    en: 'A value was sealed with a key that was retired meanwhile; do it again',
    zh: '加密所用密钥刚被停用，请重试',
  },
  KEY_IN_USE: {
    status: 409,
    retry: true,
    en: 'The key cannot be retired yet',
    zh: '密钥仍在使用，暂不能停用',
  },
} as const satisfies Record<string, ErrorEntry>
