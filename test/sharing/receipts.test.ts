import { expect, test } from 'vitest'
import { readRetryAfter } from '../../src/sharing/push-post.ts'
import { isReceiptWrong } from '../../src/sharing/receipts.ts'

const sent = { id: 'msg_1', received: 3, digest: 'ab'.repeat(32) }

test.each([
  ['nothing', ''],
  ['text', 'ok'],
  ['an empty object', '{}'],
  ['an array', '[]'],
  ['null', 'null'],
  ['other members', '{"state":"ok"}'],
  ['the whole receipt', JSON.stringify(sent)],
  ['the number alone', '{"received":3}'],
  ['a plain yes', '{"received":true}'],
  ['the digest in capitals with its name', `{"digest":"SHA-256:${'AB'.repeat(32)}"}`.replace('SHA', 'sha')],
])('an answer of %s contradicts nothing', (_what, text) => {
  expect(isReceiptWrong(text, sent, false)).toBe(false)
})

test.each([
  ['another id', '{"id":"msg_2"}'],
  ['fewer changes', '{"received":2}'],
  ['a count that is text', '{"received":"3"}'],
  ['no', '{"received":false}'],
  ['another digest', `{"digest":"${'cd'.repeat(32)}"}`],
  ['one wrong of three', JSON.stringify({ ...sent, received: 0 })],
])('an answer of %s is wrong', (_what, text) => {
  expect(isReceiptWrong(text, sent, false)).toBe(true)
  expect(isReceiptWrong(text, sent, true)).toBe(true)
})

test('where a receipt is demanded all of it must be there', () => {
  expect(isReceiptWrong(JSON.stringify(sent), sent, true)).toBe(false)
  const partial = [
    '',
    '{}',
    '{"received":3}',
    '{"id":"msg_1","received":3}',
    JSON.stringify({ ...sent, received: true }),
  ]
  for (const text of partial) expect(isReceiptWrong(text, sent, true), text).toBe(true)
})

test.each([
  ['120', 120_000],
  ['0', 0],
  ['999999', 3_600_000],
  ['Sat, 28 Nov 2026 12:00:30 GMT', 30_000],
  ['Sat, 28 Nov 2026 11:00:00 GMT', 0],
  ['soon', 0],
  ['-5', 0],
  [null, 0],
])('Retry-After %s is %i ms', (text, ms) => {
  expect(readRetryAfter(text, new Date('2026-11-28T12:00:00Z'))).toBe(ms)
})
