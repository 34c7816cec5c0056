import type { ErrorEntry } from './error-entry.ts'

/** What is refused because of what it would cost to find out whether it is right. */
export const hostileErrors = {
  SCHEMA_TOO_COSTLY: {
    status: 422,
    retry: false,
    en: 'A dataset schema takes too much time or memory to be compiled and tried',
    zh: '数据资源模式编译或试运行占用过多时间或内存',
  },
} as const satisfies Record<string, ErrorEntry>
