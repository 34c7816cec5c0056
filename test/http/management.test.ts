import { expect, test } from 'vitest'
import { assertImpersonal } from '../../src/http/management.ts'
import { codeOf } from '../support/coded-error.ts'

const refused = (words: string) => codeOf(() => assertImpersonal('reason', words))

test.each([
  ['as it is', '核实 510599190101010013 的信息'],
  ['in groups', '核实 510599 19010101 0013 的信息'],
  ['in groups with hyphens', '核实 510599-19010101-0013 的信息'],
  ['in wide characters', '核实 ５１０５９９１９０１０１０１００１３ 的信息'],
  ['in wide groups', '核实 ５１０５９９　１９０１０１０１　００１３ 的信息'],
  ['of a telephone', '联系 19901000001'],
  ['of a telephone in groups', '联系 199 0100 0001'],
  ['behind a date', '2026-11-29 19901000001'],
])('words with the number of a person %s are refused', async (_how, words) => {
  expect(await refused(words)).toBe('REQUEST_INVALID')
})

test.each(['2026-11-29 10:00 至 2026-11-30 18:00', '市网格化服务管理中心 0830-0000000', '江府发〔2026〕1号', ''])(
  'words without one are taken: %s',
  (words) => {
    expect(() => assertImpersonal('reason', words)).not.toThrow()
  },
)
